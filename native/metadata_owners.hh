#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace cairn {

/** The system's name of a user or group id; absent where it has none. May ask the network: never on the main thread. */
std::optional<std::string> ownerName(bool group, std::uint32_t id);

/** The id behind a name; absent where the system does not know it. */
std::optional<std::uint32_t> ownerId(bool group, const std::string& name);

}  // namespace cairn
