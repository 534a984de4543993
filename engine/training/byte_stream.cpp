#include "engine/training/byte_stream_p.h"

#include <fcntl.h>
#include <lzma.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "engine/base/files_p.h"

namespace flextron {
namespace {

constexpr std::size_t kInputBytes = 64 * 1024;
constexpr std::uint64_t kMaxWindowBytes = 256ull << 20; // a hostile file may ask for more than the machine has
constexpr int kMaxWindowLog = 28;

/// The file as it is. `peek` bytes are handed out again by the first reads.
class PlainStream final : public ByteStream {
public:
    explicit PlainStream(const std::filesystem::path& path) : path_(path)
    {
        descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (descriptor_ < 0) throw fileFailure("read", path, errno);
        struct stat status {};
        if (::fstat(descriptor_, &status) == 0 && S_ISDIR(status.st_mode)) {
            ::close(descriptor_);
            throw fileFailure("read", path, EISDIR);
        }
    }
    PlainStream(const PlainStream&) = delete;
    PlainStream& operator=(const PlainStream&) = delete;
    ~PlainStream() override { ::close(descriptor_); }

    std::size_t read(std::span<char> buffer) override
    {
        for (;;) {
            const ssize_t got = ::read(descriptor_, buffer.data(), buffer.size());
            if (got >= 0) return static_cast<std::size_t>(got);
            if (errno != EINTR) throw fileFailure("read", path_, errno);
        }
    }

private:
    std::filesystem::path path_;
    int descriptor_ = -1;
};

/// What the three decompressors share: an input buffer over the plain file, and words for what can go wrong.
class Decompressor : public ByteStream {
public:
    explicit Decompressor(const std::filesystem::path& path) : path_(path), file_(path), input_(kInputBytes) {}

protected:
    /// False at the end of the file.
    bool refill()
    {
        available_ = file_.read(input_);
        return available_ > 0;
    }
    [[nodiscard]] char* input() { return input_.data(); }
    [[nodiscard]] std::size_t available() const { return available_; }
    [[noreturn]] void corrupt(const std::string& what) const
    {
        throw Failure(ErrorCode::Corrupt, path_.string() + ": " + what,
                      "the file is cut off or damaged: download or copy it again");
    }

private:
    std::filesystem::path path_;
    PlainStream file_;
    std::vector<char> input_;
    std::size_t available_ = 0;
};

class GzipStream final : public Decompressor {
public:
    explicit GzipStream(const std::filesystem::path& path) : Decompressor(path)
    {
        if (::inflateInit2(&state_, 15 + 16) != Z_OK) throw std::bad_alloc(); // 15: largest window; 16: gzip
    }
    GzipStream(const GzipStream&) = delete;
    GzipStream& operator=(const GzipStream&) = delete;
    ~GzipStream() override { ::inflateEnd(&state_); }

    std::size_t read(std::span<char> buffer) override
    {
        state_.next_out = reinterpret_cast<Bytef*>(buffer.data());
        state_.avail_out = static_cast<uInt>(buffer.size());
        while (state_.avail_out == buffer.size()) {
            if (state_.avail_in == 0) {
                if (!refill()) {
                    if (!between_members_) corrupt("the gzip data ends in the middle");
                    break;
                }
                state_.next_in = reinterpret_cast<Bytef*>(input());
                state_.avail_in = static_cast<uInt>(available());
            }
            between_members_ = false;
            const int status = ::inflate(&state_, Z_NO_FLUSH);
            if (status == Z_STREAM_END) { // another member may follow, as `cat a.gz b.gz` makes it
                ::inflateReset(&state_);
                between_members_ = true;
            } else if (status != Z_OK && status != Z_BUF_ERROR) {
                corrupt("the gzip data is damaged");
            }
        }
        return buffer.size() - state_.avail_out;
    }

private:
    z_stream state_{};
    bool between_members_ = false;
};

class XzStream final : public Decompressor {
public:
    explicit XzStream(const std::filesystem::path& path) : Decompressor(path)
    {
        if (::lzma_stream_decoder(&state_, kMaxWindowBytes, LZMA_CONCATENATED) != LZMA_OK) throw std::bad_alloc();
    }
    XzStream(const XzStream&) = delete;
    XzStream& operator=(const XzStream&) = delete;
    ~XzStream() override { ::lzma_end(&state_); }

    std::size_t read(std::span<char> buffer) override
    {
        state_.next_out = reinterpret_cast<std::uint8_t*>(buffer.data());
        state_.avail_out = buffer.size();
        while (!finished_ && state_.avail_out == buffer.size()) {
            if (state_.avail_in == 0 && !ended_) {
                ended_ = !refill();
                state_.next_in = reinterpret_cast<const std::uint8_t*>(input());
                state_.avail_in = available();
            }
            const lzma_ret status = ::lzma_code(&state_, ended_ ? LZMA_FINISH : LZMA_RUN);
            if (status == LZMA_STREAM_END) finished_ = true;
            else if (status == LZMA_MEMLIMIT_ERROR) corrupt("the xz data asks for more than 256 MiB of memory");
            else if (status == LZMA_BUF_ERROR) corrupt("the xz data ends in the middle");
            else if (status != LZMA_OK) corrupt("the xz data is damaged");
        }
        return buffer.size() - state_.avail_out;
    }

private:
    lzma_stream state_ = LZMA_STREAM_INIT;
    bool ended_ = false;
    bool finished_ = false;
};

class ZstdStream final : public Decompressor {
public:
    explicit ZstdStream(const std::filesystem::path& path) : Decompressor(path), state_(::ZSTD_createDStream())
    {
        if (!state_) throw std::bad_alloc();
        ::ZSTD_DCtx_setParameter(state_.get(), ZSTD_d_windowLogMax, kMaxWindowLog);
    }

    std::size_t read(std::span<char> buffer) override
    {
        ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
        while (out.pos == 0) {
            if (in_.pos == in_.size) {
                if (!refill()) {
                    if (!between_frames_) corrupt("the zstd data ends in the middle");
                    break;
                }
                in_ = {input(), available(), 0};
            }
            const std::size_t status = ::ZSTD_decompressStream(state_.get(), &out, &in_);
            if (::ZSTD_isError(status))
                corrupt(std::string("the zstd data is damaged: ") + ::ZSTD_getErrorName(status));
            between_frames_ = status == 0;
        }
        return out.pos;
    }

private:
    struct Free {
        void operator()(ZSTD_DStream* state) const { ::ZSTD_freeDStream(state); }
    };
    std::unique_ptr<ZSTD_DStream, Free> state_;
    ZSTD_inBuffer in_{nullptr, 0, 0};
    bool between_frames_ = false;
};

std::string_view firstBytes(const std::filesystem::path& path, std::array<char, 6>& bytes)
{
    PlainStream file(path);
    std::size_t filled = 0;
    while (filled < bytes.size()) {
        const std::size_t got = file.read(std::span(bytes).subspan(filled));
        if (got == 0) break;
        filled += got;
    }
    return {bytes.data(), filled};
}

} // namespace

std::unique_ptr<ByteStream> openByteStream(const std::filesystem::path& path)
{
    using namespace std::string_view_literals;
    std::array<char, 6> bytes{};
    const std::string_view magic = firstBytes(path, bytes);
    if (magic.starts_with("\x1f\x8b"sv)) return std::make_unique<GzipStream>(path);
    if (magic.starts_with("\xfd"
                          "7zXZ\0"sv))
        return std::make_unique<XzStream>(path);
    if (magic.starts_with("\x28\xb5\x2f\xfd"sv)) return std::make_unique<ZstdStream>(path);
    return std::make_unique<PlainStream>(path);
}

} // namespace flextron
