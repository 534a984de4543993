#include "engine/generate/pane_text_p.h"

#include <algorithm>

namespace flextron {

namespace {

/// Length of the longest end of `text` that `stop` begins with, shorter than `stop` itself.
std::size_t overlap(std::string_view text, std::string_view stop)
{
    for (std::size_t length = std::min(text.size(), stop.size() - 1); length > 0; --length)
        if (text.substr(text.size() - length) == stop.substr(0, length)) return length;
    return 0;
}

} // namespace

PaneText::PaneText(const std::shared_ptr<const Tokenizer>& tokenizer, const std::vector<TokenId>& prompt,
                   std::vector<std::string> stop_texts)
    : stop_texts_(std::move(stop_texts))
{
    if (!tokenizer) return;
    stream_ = std::make_unique<TextStream>(tokenizer);
    for (const TokenId id : prompt) (void)stream_->push(id);
}

std::string PaneText::push(TokenId id)
{
    return stream_ ? release(stream_->push(id)) : std::string();
}

std::string PaneText::finish()
{
    if (!stream_ || stopped_) return {};
    std::string given = release(stream_->finish());
    if (stopped_) return given;
    given += held_;
    text_ += held_;
    held_.clear();
    return given;
}

std::string PaneText::release(std::string_view more)
{
    if (stopped_) return {};
    held_ += more;
    std::size_t stop_at = std::string::npos;
    for (const std::string& stop : stop_texts_) stop_at = std::min(stop_at, held_.find(stop));
    std::size_t certain = stop_at;
    if (stop_at == std::string::npos) {
        std::size_t uncertain = 0;
        for (const std::string& stop : stop_texts_) uncertain = std::max(uncertain, overlap(held_, stop));
        certain = held_.size() - uncertain;
    }
    std::string given = held_.substr(0, certain);
    held_.erase(0, certain);
    text_ += given;
    stopped_ = stop_at != std::string::npos;
    return given;
}

} // namespace flextron
