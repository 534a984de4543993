// The safetensors format: an 8-byte length, a JSON header, raw tensors. Reading maps the file and copies nothing.
// Source: the format description in the safetensors project. Reading never runs code.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/files.h"
#include "engine/base/progress.h"
#include "engine/model/tensor.h"

namespace flextron {

/// One mapped file. Views stay valid as long as the object lives. Immutable; any thread.
class SafetensorsFile {
public:
    /// Checks everything before anything is used: header inside the file, JSON well-formed, known dtypes, non-negative
    /// shapes whose product does not overflow, offsets inside the data, in order, matching the shape, covering the data
    /// without overlap or gap. Corrupt names file and tensor.
    static Result<SafetensorsFile> open(const std::filesystem::path& path);

    [[nodiscard]] const std::map<std::string, TensorView>& tensors() const { return tensors_; }
    [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }
    [[nodiscard]] const std::filesystem::path& path() const { return file_.path(); }

private:
    explicit SafetensorsFile(MappedFile file) : file_(std::move(file)) {}
    MappedFile file_;
    std::map<std::string, TensorView> tensors_;
    std::map<std::string, std::string> metadata_;
};

struct NamedTensor {
    std::string name;
    TensorView tensor;
};

/// Writes `tensors` in the given order through AtomicFile; the header is padded so that data begins at a multiple of 8
/// bytes. `progress` counts bytes.
Result<void> writeSafetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                              const std::map<std::string, std::string>& metadata = {}, const ProgressFn& progress = {});

} // namespace flextron
