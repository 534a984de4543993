// The reference backend: LibTorch, simple and right, on any device and dtype.
#pragma once

#include <memory>

#include "engine/base/cancellation.h"
#include "engine/base/error.h"
#include "engine/base/progress.h"
#include "engine/compute/backend.h"
#include "engine/compute/device.h"
#include "engine/model/checkpoint.h"

namespace flextron {

/// Bytes that loading will need on the device, everything included but K/V caches.
std::int64_t estimateLoadBytes(const Checkpoint& checkpoint, ComputeType type);

/// Converts the checkpoint's weights to `type` (Auto: float32 on a CPU, bfloat16 on a GPU) on `device`. OutOfMemory,
/// with numbers, before anything is allocated where it cannot fit; Corrupt for weights that are not finite, naming the
/// tensor. Progress in bytes; cancel takes effect between tensors.
Result<std::shared_ptr<const Backend>> loadReferenceBackend(std::shared_ptr<const Checkpoint> checkpoint,
                                                            const Device& device, ComputeType type,
                                                            const ProgressFn& progress = {},
                                                            const CancelToken& cancel = {});

} // namespace flextron
