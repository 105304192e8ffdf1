#include <map>

#include "io/loop.h"
#include "io/roots.h"

namespace kobuk::io {

struct CancelSource::State {
  bool cancelled = false;
  uint64_t next = 1;
  std::map<uint64_t, std::function<void()>> callbacks;
};

CancelSource::CancelSource() : state_(std::make_shared<State>()) {}
CancelToken CancelSource::token() const { return CancelToken(state_); }
bool CancelSource::cancelled() const { return state_->cancelled; }
void CancelSource::cancel() {
  auto state = state_;  // a callback may destroy this source
  if (state->cancelled) return;
  state->cancelled = true;
  while (!state->callbacks.empty()) {
    auto callback = std::move(state->callbacks.begin()->second);
    state->callbacks.erase(state->callbacks.begin());
    callback();
  }
}

bool CancelToken::cancelled() const { return state_ && state_->cancelled; }
CancelToken::Registration CancelToken::on_cancel(std::function<void()> on_cancel) const {
  Registration out;
  if (!state_) return out;
  if (state_->cancelled) {
    on_cancel();
    return out;
  }
  out.state_ = state_;
  out.id_ = state_->next++;
  state_->callbacks.emplace(out.id_, std::move(on_cancel));
  return out;
}

CancelToken::Registration::Registration(Registration&& other) noexcept
    : state_(std::move(other.state_)), id_(std::exchange(other.id_, 0)) {}
CancelToken::Registration& CancelToken::Registration::operator=(Registration&& other) noexcept {
  std::swap(state_, other.state_);
  std::swap(id_, other.id_);
  return *this;
}
CancelToken::Registration::~Registration() {
  if (auto state = state_.lock()) state->callbacks.erase(id_);
}

Task<bool> sleep_or_cancel(Loop& loop, Duration duration, CancelToken token) {
  Event over(loop);
  bool slept = false;
  auto registration = token.on_cancel([&over] { over.set(); });
  auto timer = loop.start_timer(duration, [&over, &slept] {
    slept = true;
    over.set();
  });
  ScopedTimer withdraw{loop, timer};
  co_await over.wait();
  co_return slept;
}

struct TaskGroup::State {
  explicit State(Loop& loop) : empty(loop), roots(loop) {
    roots.on_last = [this] { empty.set(); };
  }
  Event empty;
  detail::Roots roots;
};

TaskGroup::TaskGroup(Loop& loop) : state_(std::make_shared<State>(loop)) { state_->empty.set(); }
TaskGroup::~TaskGroup() { state_->roots.destroy_all(); }
void TaskGroup::spawn(Task<void> task) {
  state_->empty.reset();
  state_->roots.spawn(std::move(task));
}
Task<void> TaskGroup::join() {
  auto state = state_;
  co_await state->empty.wait();
}
size_t TaskGroup::running() const { return state_->roots.size(); }

}  // namespace kobuk::io
