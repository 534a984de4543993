#include "engine/base/files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "engine/base/files_p.h"

namespace flextron {

namespace {

/// A descriptor that closes itself.
class Descriptor final {
public:
    explicit Descriptor(int value) : value_(value) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor()
    {
        if (value_ >= 0) ::close(value_);
    }
    [[nodiscard]] int value() const { return value_; }

private:
    int value_;
};

/// Opens for reading and refuses folders. O_NONBLOCK: a named pipe without a writer must not hang the program.
int openForReading(const std::filesystem::path& path, struct stat& status)
{
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) throw fileFailure("read", path, errno);
    if (::fstat(descriptor, &status) != 0 || S_ISDIR(status.st_mode)) {
        const int error_number = S_ISDIR(status.st_mode) ? EISDIR : errno;
        ::close(descriptor);
        throw fileFailure("read", path, error_number);
    }
    return descriptor;
}

constexpr int kNameAttempts = 1000;

} // namespace

Failure fileFailure(std::string_view doing, const std::filesystem::path& path, int error_number)
{
    const std::string what = "cannot " + std::string(doing) + " " + path.string() + ": ";
    switch (error_number) {
    case ENOENT: return {ErrorCode::NotFound, what + "it does not exist", "check the path for a typing error"};
    case ENOTDIR:
        return {ErrorCode::NotFound, what + "a part of the path is a file, not a folder",
                "check the path for a typing error"};
    case EISDIR: return {ErrorCode::InvalidArgument, what + "it is a folder, not a file", "give the path of a file"};
    case EACCES:
    case EPERM:
        return {ErrorCode::Io, what + "permission denied",
                "choose a folder of your own, or ask its owner for the permission"};
    case EROFS: return {ErrorCode::Io, what + "the file system is read-only", "choose a folder on another disk"};
    case ENOSPC:
        return {ErrorCode::Io, what + "the disk is full", "free some space, or choose a folder on another disk"};
    case EDQUOT:
        return {ErrorCode::Io, what + "your disk quota is used up",
                "free some space, or choose a folder on another disk"};
    case EFBIG:
        return {ErrorCode::Io, what + "the file would be larger than the file system or a limit allows",
                "choose a folder on another disk, or raise the limit (ulimit -f)"};
    case ENAMETOOLONG: return {ErrorCode::InvalidArgument, what + "the name is too long", "choose a shorter name"};
    default:
        return {ErrorCode::Io, what + std::generic_category().message(error_number),
                "check the disk and the path, then try again"};
    }
}

void writeFully(int descriptor, std::span<const std::byte> bytes, const std::filesystem::path& path)
{
    while (!bytes.empty()) {
        const ssize_t written = ::write(descriptor, bytes.data(), std::min<std::size_t>(bytes.size(), 1u << 30));
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) throw fileFailure("write", path, errno);
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
}

void syncFolder(const std::filesystem::path& folder)
{
    const Descriptor descriptor(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // Some file systems know no fsync of folders (EINVAL): there the rename is as safe as it can be.
    if (descriptor.value() < 0 || (::fsync(descriptor.value()) != 0 && errno != EINVAL))
        throw fileFailure("write", folder, errno);
}

std::filesystem::path partialName(const std::filesystem::path& path, int attempt)
{
    const std::string name = "." + path.filename().string() + "." + std::to_string(::getpid()) + "-" +
                             std::to_string(attempt) + ".partial";
    return path.parent_path() / name;
}

Result<MappedFile> MappedFile::open(const std::filesystem::path& path)
{
    return guarded([&] {
        struct stat status {};
        const Descriptor descriptor(openForReading(path, status));
        if (!S_ISREG(status.st_mode))
            throw Failure(ErrorCode::InvalidArgument, "cannot read " + path.string() + ": it is not a regular file",
                          "give the path of a file");
        MappedFile file;
        file.path_ = path;
        file.size_ = static_cast<std::size_t>(status.st_size);
        if (file.size_ == 0) return file;
        void* const address = ::mmap(nullptr, file.size_, PROT_READ, MAP_PRIVATE, descriptor.value(), 0);
        if (address == MAP_FAILED) {
            file.size_ = 0;
            throw fileFailure("map", path, errno);
        }
        file.data_ = static_cast<const std::byte*>(address);
        return file;
    });
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_))
    , data_(std::exchange(other.data_, nullptr))
    , size_(std::exchange(other.size_, 0))
{
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept
{
    std::swap(path_, other.path_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

MappedFile::~MappedFile()
{
    if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

Result<std::string> readFile(const std::filesystem::path& path, std::uint64_t max_bytes)
{
    return guarded([&] {
        struct stat status {};
        const Descriptor descriptor(openForReading(path, status));
        const auto tooLarge = [&] {
            return Failure(ErrorCode::Corrupt,
                           path.string() + " is larger than " + std::to_string(max_bytes) + " bytes",
                           "a file of this kind is never that large: check that it is the right one");
        };
        if (S_ISREG(status.st_mode) && static_cast<std::uint64_t>(status.st_size) > max_bytes) throw tooLarge();
        // Read to the end rather than to the size: files under /proc and pipes have none.
        std::string text(static_cast<std::size_t>(std::max<off_t>(status.st_size, 0)) + 1, '\0');
        std::size_t filled = 0;
        for (;;) {
            if (filled == text.size()) text.resize(text.size() * 2);
            const ssize_t got = ::read(descriptor.value(), text.data() + filled, text.size() - filled);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) throw fileFailure("read", path, errno);
            if (got == 0) break;
            filled += static_cast<std::size_t>(got);
            if (filled > max_bytes) throw tooLarge();
        }
        text.resize(filled);
        return text;
    });
}

Result<AtomicFile> AtomicFile::create(const std::filesystem::path& path)
{
    return guarded([&] {
        if (std::filesystem::is_directory(path)) throw fileFailure("write", path, EISDIR);
        AtomicFile file;
        file.path_ = path;
        for (int attempt = 0; attempt < kNameAttempts; ++attempt) {
            const auto name = partialName(path, attempt);
            file.descriptor_ = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
            if (file.descriptor_ >= 0) {
                file.temporary_ = name;
                return file;
            }
            if (errno != EEXIST) break;
        }
        throw fileFailure("create", path, errno);
    });
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_))
    , temporary_(std::move(other.temporary_))
    , descriptor_(std::exchange(other.descriptor_, -1))
{
    other.temporary_.clear();
}

AtomicFile::~AtomicFile()
{
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<void> AtomicFile::write(std::span<const std::byte> bytes)
{
    return guarded([&] { writeFully(descriptor_, bytes, path_); });
}

Result<void> AtomicFile::write(std::string_view text)
{
    return write(std::as_bytes(std::span(text.data(), text.size())));
}

Result<void> AtomicFile::commit()
{
    return guarded([&] {
        // A full disk may show itself as late as in fsync or close.
        if (::fsync(descriptor_) != 0) throw fileFailure("write", path_, errno);
        if (::close(std::exchange(descriptor_, -1)) != 0) throw fileFailure("write", path_, errno);
        if (::rename(temporary_.c_str(), path_.c_str()) != 0) throw fileFailure("write", path_, errno);
        temporary_.clear();
        syncFolder(path_.parent_path());
    });
}

Result<void> writeFile(const std::filesystem::path& path, std::string_view text)
{
    return guarded([&] {
        auto file = AtomicFile::create(path).orThrow();
        file.write(text).orThrow();
        file.commit().orThrow();
    });
}

} // namespace flextron
