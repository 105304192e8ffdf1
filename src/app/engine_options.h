// What a profile means to the engine: the role runs it so, and delete and stop open it so when no daemon runs.
#pragma once

#include "app/profile.h"
#include "engine/engine.h"

namespace kobuk::app {

engine::EngineOptions engine_options(const Profile& profile);

}  // namespace kobuk::app
