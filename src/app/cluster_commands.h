// The life of a cluster on this host: kobuk start, stop, delete, status, kubeconfig, env.
#pragma once

#include <string>
#include <vector>

namespace kobuk::app {

int run_start(const std::vector<std::string>& arguments);
int run_stop(const std::vector<std::string>& arguments);
int run_delete(const std::vector<std::string>& arguments);
int run_status(const std::vector<std::string>& arguments);
int run_kubeconfig(const std::vector<std::string>& arguments);
int run_env(const std::vector<std::string>& arguments);

}  // namespace kobuk::app
