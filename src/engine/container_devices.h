// Devices of containers: nodes that a record names, or all of the host.
#pragma once

#include "engine/record.h"
#include "runtime/spec.h"

namespace kobuk::engine {

// The node `device.host`, or all nodes below it when it is a folder, with a rule that lets the container use them.
// kInvalid: no such path, or a file that is no device.
Result<void> add_device(runtime::ContainerSpec& spec, const DeviceRecord& device);

// Every node of the host's /dev, for a privileged container, which may use all devices anyway. Not the console, terminals
// and queues: it has its own.
Result<void> add_host_devices(runtime::ContainerSpec& spec);

}  // namespace kobuk::engine
