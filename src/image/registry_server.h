// A registry (OCI distribution-spec 1.1) over a folder: what `docker push`, skopeo, podman and kobuk itself talk to.
//
//   KOBUK_TRY(auto registry, RegistryServer::open(loop, "/var/lib/kobuk/registry"));
//   io::http::Server server(loop, *registry);
//   KOBUK_CHECK(server.listen("127.0.0.1:5000", nullptr));
//
// Pull (with ranges), push (in one piece, in chunks, mounted from another repository), deletion, tags and catalog with
// pagination, referrers. Content is verified when it comes in; an upload lives as long as the process and is dropped
// after an hour without a byte. Loop thread only; disk work goes to the offload pool.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "io/http.h"

namespace kobuk::image {

class RegistryStorage;

class RegistryServer : public io::http::Handler {
 public:
  // Collects what no manifest needs. kFailedPrecondition when another process has the folder open.
  static Result<std::unique_ptr<RegistryServer>> open(io::Loop& loop, std::string directory);
  ~RegistryServer() override;
  io::Task<io::http::Response> handle(io::http::Request request) override;

 private:
  struct Upload;
  struct Route;
  RegistryServer(io::Loop& loop, std::shared_ptr<RegistryStorage> storage);

  io::Task<io::http::Response> get_blob(io::http::Request request, Route route);
  io::Task<io::http::Response> delete_blob(Route route);
  io::Task<io::http::Response> begin_upload(io::http::Request request, Route route);
  io::Task<io::http::Response> use_upload(io::http::Request request, Route route);
  io::Task<Result<void>> receive(io::http::Request* request, std::shared_ptr<Upload> upload);
  io::Task<io::http::Response> finish_upload(io::http::Request* request, Route route, std::shared_ptr<Upload> upload);
  io::Task<io::http::Response> get_manifest(Route route);
  io::Task<io::http::Response> put_manifest(io::http::Request request, Route route);
  io::Task<io::http::Response> delete_manifest(Route route);
  io::Task<io::http::Response> list(io::http::Request request, Route route);
  io::Task<io::http::Response> referrers(io::http::Request request, Route route);
  void drop_idle_uploads();
  static Result<Route> find_route(std::string_view path);

  io::Loop& loop_;
  std::shared_ptr<RegistryStorage> storage_;
  std::map<std::string, std::shared_ptr<Upload>> uploads_;
};

}  // namespace kobuk::image
