// Pulls images: those that several pods want at once only once. Loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/cri.h"
#include "io/loop.h"
#include "node/objects.h"
#include "node/pod.h"

namespace kobuk::node {

struct ImagePull {
  bool done = false;
  Result<std::string> result;  // the image's id
  MonoTime begun{}, ended{};
  std::map<uint64_t, std::function<void()>> waiting;
};

// One that waits for a pull. Destroying it withdraws the callback; the pull goes on for others, and for the next try.
class PullWait {
 public:
  PullWait() = default;
  PullWait(std::shared_ptr<ImagePull> pull, uint64_t id) : pull_(std::move(pull)), id_(id) {}
  PullWait(PullWait&& other) noexcept = default;
  PullWait& operator=(PullWait&& other) noexcept {
    withdraw();
    pull_ = std::move(other.pull_), id_ = other.id_;
    return *this;
  }
  ~PullWait() { withdraw(); }
  explicit operator bool() const { return pull_ != nullptr; }
  const ImagePull* operator->() const { return pull_.get(); }

 private:
  void withdraw() {
    if (pull_) pull_->waiting.erase(id_);
  }
  std::shared_ptr<ImagePull> pull_;
  uint64_t id_ = 0;
};

class ImagePuller {
 public:
  ImagePuller(io::Loop& loop, engine::Cri& cri) : loop_(&loop), cri_(&cri), tasks_(loop) {}
  // Begins or joins a pull; `on_done` is called once on the loop when it has ended, unless the PullWait is gone by then.
  PullWait pull(const std::string& image, const std::string& credentials, std::function<void()> on_done);

 private:
  io::Task<void> run(std::shared_ptr<ImagePull> pull, std::string image, std::string credentials);
  io::Loop* loop_;
  engine::Cri* cri_;
  std::map<std::string, std::shared_ptr<ImagePull>> running_;  // by image and credentials
  uint64_t last_wait_ = 0;
  io::TaskGroup tasks_;
};

// "docker.io" of "nginx", "ghcr.io" of "ghcr.io/a/b:1", "localhost:5000" of "localhost:5000/x".
std::string registry_of(std::string_view image);
// The credentials of the pod's imagePullSecrets for the image's registry, as the CRI's AuthConfig in JSON; or empty.
std::string pull_credentials(const core::PodSpec& spec, const PodObjects& objects, const std::string& image);
// IfNotPresent or Always, as the image's tag has it, where the policy is not said.
std::string pull_policy(const core::Container& container);
// Whether the text can be a reference at all (distribution's grammar, roughly: lower-case path, tag, digest).
bool is_image_name(std::string_view image);

}  // namespace kobuk::node
