// Lines out of bytes that come in pieces. No window.
#pragma once

#include <QByteArray>

namespace flextron::ui {

/// Keeps a line that is not complete yet until its rest comes.
class LineBuffer {
public:
    /// Calls take(line) for every line that is complete now and not blank, without the white space at its ends.
    template <typename Take> void feed(const QByteArray& bytes, Take&& take)
    {
        rest_ += bytes;
        qsizetype begin = 0;
        for (qsizetype end = rest_.indexOf('\n'); end >= 0; end = rest_.indexOf('\n', begin)) {
            const QByteArray line = rest_.mid(begin, end - begin).trimmed();
            if (!line.isEmpty()) take(line);
            begin = end + 1;
        }
        rest_.remove(0, begin);
    }

private:
    QByteArray rest_;
};

} // namespace flextron::ui
