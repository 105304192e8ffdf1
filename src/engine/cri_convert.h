// The CRI's messages in terms of the engine's records, and back. Pure.
#pragma once

#include "engine/core.h"
#include "engine/cri.h"
#include "image/images.h"

namespace kobuk::engine {

ContainerRecord sandbox_record(const PodSandboxConfig& config);
// kInvalid when neither the config nor the image says what to run.
Result<ContainerRecord> cri_container_record(const ContainerConfig& config, const PodSandboxConfig& sandbox_config,
                                             const ContainerRecord& sandbox, const image::ImageInfo& image);
sys::CgroupLimits cri_limits(const CriResources& resources);
PodSandboxStatus sandbox_status(const Entry& entry);
// `image`: null when it has been removed meanwhile.
ContainerStatus cri_container_status(const Entry& entry, const image::ImageInfo* image);
CriImage cri_image(const image::ImageInfo& image);

}  // namespace kobuk::engine
