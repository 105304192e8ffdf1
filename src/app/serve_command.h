// `kobuk serve` (all roles) and `kobuk apiserver`, `kobuk engine`, … (one): in the foreground, until SIGTERM or SIGINT.
#pragma once

#include <string>
#include <vector>

namespace kobuk::app {

int run_serve(const std::vector<std::string>& arguments);
int run_engine(const std::vector<std::string>& arguments);
int run_registry(const std::vector<std::string>& arguments);
int run_apiserver(const std::vector<std::string>& arguments);
int run_controllers(const std::vector<std::string>& arguments);
int run_scheduler(const std::vector<std::string>& arguments);
int run_node(const std::vector<std::string>& arguments);

}  // namespace kobuk::app
