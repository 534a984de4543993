// A pane's new text as it becomes certain, and where a stop text ends it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/text/tokenizer.h"

namespace flextron {

/// Text that could be the beginning of a stop text is held back until it is certain that it is not.
class PaneText {
public:
    /// `tokenizer` may be null: then there is no text. The prompt's ids only prepare the stream.
    PaneText(const std::shared_ptr<const Tokenizer>& tokenizer, const std::vector<TokenId>& prompt,
             std::vector<std::string> stop_texts);

    /// The text that became certain with this token. After stopped() nothing more comes.
    std::string push(TokenId id);
    /// What was held back, at the end of the text.
    std::string finish();
    [[nodiscard]] bool stopped() const { return stopped_; }
    /// All text given out so far.
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    std::string release(std::string_view more);

    std::unique_ptr<TextStream> stream_;
    std::vector<std::string> stop_texts_;
    std::string held_;
    std::string text_;
    bool stopped_ = false;
};

} // namespace flextron
