// Making and damaging checkpoint files.
#pragma once

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "engine/model/checkpoint.h"
#include "tests/engine/support/expect.h"

namespace flextron::test {

inline std::string slurp(const std::filesystem::path& path)
{
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

inline void spill(const std::filesystem::path& path, const std::string& bytes)
{
    // A new file rather than a truncated one: ext4 flushes the latter to the disk, and some tests write thousands.
    std::filesystem::remove(path);
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::string replaced(std::string text, const std::string& what, const std::string& by)
{
    const auto at = text.find(what);
    if (at == std::string::npos) throw std::runtime_error("the text holds no " + what);
    return text.replace(at, what.size(), by);
}

/// Eight bytes of length, the header, the data: what a safetensors file is, with any content.
inline std::string safetensors(const std::string& header, const std::string& data)
{
    std::string length(8, '\0');
    for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> (8 * i));
    return length + header + data;
}

/// A safetensors file taken apart.
struct SafetensorsParts {
    std::string header;
    std::string data;
};
inline SafetensorsParts partsOf(const std::string& file)
{
    std::uint64_t length = 0;
    std::memcpy(&length, file.data(), 8);
    return {file.substr(8, length), file.substr(8 + length)};
}

/// A copy of tests/data/`model` under `to`, to be damaged.
inline std::filesystem::path copyOf(const std::string& model, const std::filesystem::path& to)
{
    std::filesystem::remove_all(to);
    std::filesystem::create_directories(to.parent_path());
    std::filesystem::copy(testData() / model, to);
    for (const auto& entry : std::filesystem::directory_iterator(to))
        std::filesystem::permissions(entry.path(), std::filesystem::perms::owner_write,
                                     std::filesystem::perm_options::add);
    return to;
}

/// What would write `checkpoint` again as it is.
inline CheckpointContents contentsOf(const std::shared_ptr<const Checkpoint>& checkpoint)
{
    CheckpointContents contents;
    contents.config = checkpoint->config();
    contents.dtype = checkpoint->dtype();
    for (const auto& [name, tensor] : checkpoint->tensors()) contents.tensors.push_back({name, tensor});
    contents.storage = checkpoint;
    if (checkpoint->elastic()) contents.record = checkpoint->record();
    return contents;
}

inline bool sameTensor(const TensorView& a, const TensorView& b)
{
    return a.dtype == b.dtype && a.shape == b.shape &&
           std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
}

/// Empty when both have the same tensors; else the name of the first that differs.
inline std::string firstDifference(const std::map<std::string, TensorView>& a,
                                   const std::map<std::string, TensorView>& b)
{
    for (const auto& [name, tensor] : a)
        if (!b.contains(name) || !sameTensor(tensor, b.at(name))) return name;
    return a.size() == b.size() ? "" : "the number of tensors";
}

} // namespace flextron::test
