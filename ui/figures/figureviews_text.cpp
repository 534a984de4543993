// The text as a figure, each token on its colour.
#include <algorithm>
#include <cmath>

#include <QCoreApplication>

#include "ui/figures/figurepen.h"
#include "ui/figures/figureviews.h"

namespace flextron::ui {

namespace {

struct Text {
    Q_DECLARE_TR_FUNCTIONS(Figures)
};

constexpr double kGap = 5;
constexpr double kLeading = 1.35;

/// A token, or the part of it that stands in one line.
struct Piece {
    QString text;
    double value = 0; // NaN: not coloured
    bool given = false;
    bool parted = false; // the first that is not the full model's
};

struct Placed {
    std::size_t piece = 0;
    QPointF at;
    double width = 0;
};

struct Paragraph {
    std::vector<Piece> pieces;
    TokenScale scale;
    QString title;
    QString low;
    QString high;
};

Paragraph paragraphOf(const FigureSource& source)
{
    const Trace& trace = source.trace();
    std::optional<LayerShares> shares;
    if (source.checkpoint) shares.emplace(source.checkpoint->config());
    if (source.coloring == TokenQuantity::Compute && !shares)
        throw Failure(ErrorCode::Unsupported,
                      Text::tr("shares of compute need the model, for its shapes").toStdString(),
                      Text::tr("Give --model MODEL, or open the model.").toStdString());
    TokenSource tokens{&trace, {}, shares ? &*shares : nullptr};
    if (source.full) tokens.baseline = {&*source.full, commonTokens(trace, *source.full)};
    if (source.coloring == TokenQuantity::LossDifference && tokens.baseline.common == 0)
        throw Failure(ErrorCode::Unsupported,
                      Text::tr("there is no text of the full model to take differences to").toStdString(),
                      Text::tr("Take a trace that holds the full model too: flextron compare --trace.").toStdString());
    Paragraph paragraph;
    paragraph.scale = tokenScale(tokens, source.coloring);
    paragraph.title = tokenQuantityName(source.coloring);
    paragraph.low = figureNumber(paragraph.scale.range.low);
    paragraph.high = QString::number(paragraph.scale.range.high, 'g', 3);
    const auto texts = tokenTexts(trace);
    const int given = givenTokens(trace);
    const bool written = given < static_cast<int>(texts.size());
    for (int token = 0; token < static_cast<int>(texts.size()); ++token) {
        const bool parted = source.full && token > 0 && token == tokens.baseline.common &&
                            token < static_cast<int>(source.full->records.size());
        paragraph.pieces.push_back({QString::fromStdString(texts[static_cast<std::size_t>(token)]),
                                    tokenValue(tokens, token, source.coloring), written && token < given, parted});
    }
    return paragraph;
}

/// Breaks before a word that has no room, at line feeds, and inside of what is longer than a line.
class Setter {
public:
    Setter(const Paragraph& paragraph, double width) : metrics_(figureMetrics()), width_(width)
    {
        const auto& pieces = paragraph.pieces;
        for (std::size_t i = 0; i < pieces.size(); ++i) {
            const bool breaks = pieces[i].text.startsWith(QLatin1Char('\n')); // goes to the next line by itself
            if (!breaks && startsWord(pieces[i].text) && x_ > 0 && x_ + wordWidth(pieces, i) > width_) newLine();
            set(i, pieces[i].text);
        }
    }
    [[nodiscard]] const std::vector<Placed>& placed() const { return placed_; }
    [[nodiscard]] const std::vector<QString>& parts() const { return parts_; }
    [[nodiscard]] double height() const { return y_ + line(); }

private:
    [[nodiscard]] double line() const { return metrics_.height() * kLeading; }

    static bool startsWord(const QString& text) { return text.isEmpty() || text.front().isSpace(); }

    [[nodiscard]] double wordWidth(const std::vector<Piece>& pieces, std::size_t from) const
    {
        QString word = pieces[from].text;
        for (std::size_t i = from + 1; i < pieces.size() && !startsWord(pieces[i].text); ++i) word += pieces[i].text;
        return metrics_.horizontalAdvance(word);
    }

    void newLine()
    {
        x_ = 0;
        y_ += line();
    }

    void set(std::size_t piece, const QString& text)
    {
        QString part;
        const auto put = [&] {
            if (part.isEmpty()) return;
            // A blank at a line's beginning is no part of what is seen.
            if (x_ == 0) part = part.mid(part.front() == QLatin1Char(' ') ? 1 : 0);
            const double wide = metrics_.horizontalAdvance(part);
            if (!part.isEmpty()) {
                placed_.push_back({piece, {x_, y_}, wide});
                parts_.push_back(part);
            }
            x_ += wide;
            part.clear();
        };
        for (const QChar letter : text) {
            if (letter == QLatin1Char('\n')) {
                put();
                newLine();
            } else if (x_ + metrics_.horizontalAdvance(part + letter) > width_ && !part.isEmpty()) {
                put();
                newLine();
                part = letter;
            } else {
                part += letter.isPrint() ? letter : QChar(QChar::ReplacementCharacter);
            }
        }
        put();
    }

    QFontMetricsF metrics_;
    double width_;
    double x_ = 0;
    double y_ = 0;
    std::vector<Placed> placed_;
    std::vector<QString> parts_;
};

void paintParagraph(QPainter& painter, QSizeF size, const Paragraph& paragraph)
{
    const FigurePen pen(painter);
    paintScale(pen, {0, 0}, paragraph.scale.map, paragraph.title, paragraph.low, paragraph.high, size.width());
    const double top = scaleHeight(paragraph.title, paragraph.low, paragraph.high, size.width()) + kGap;
    const Setter setter(paragraph, size.width());
    const double high = figureMetrics().height();
    for (std::size_t i = 0; i < setter.placed().size(); ++i) {
        const Placed& placed = setter.placed()[i];
        const Piece& piece = paragraph.pieces[placed.piece];
        const QRectF room(placed.at.x(), placed.at.y() + top, placed.width, high);
        QColor ink = piece.given ? FigurePen::kQuiet : FigurePen::kText;
        if (!std::isnan(piece.value)) {
            const auto& range = paragraph.scale.range;
            const QColor ground = mapColor(paragraph.scale.map, (piece.value - range.low) / (range.high - range.low));
            pen.fill(room, ground);
            ink = textColorOn(ground);
        }
        pen.text(room, Qt::AlignLeft | Qt::AlignVCenter, setter.parts()[i], ink);
        if (piece.parted)
            pen.line(room.bottomLeft() + QPointF(0, 1), room.bottomRight() + QPointF(0, 1), FigurePen::kCaution, 1.5);
    }
}

QString columnOf(TokenQuantity quantity)
{
    switch (quantity) {
    case TokenQuantity::Probability: return QStringLiteral("probability");
    case TokenQuantity::Surprisal: return QStringLiteral("surprisal_nats");
    case TokenQuantity::LossDifference: return QStringLiteral("loss_difference_nats");
    case TokenQuantity::Compute: return QStringLiteral("share_of_flops");
    case TokenQuantity::Milliseconds: return QStringLiteral("ms");
    case TokenQuantity::Margin: return QStringLiteral("smallest_margin");
    }
    return {};
}

} // namespace

Figure textFigure(const FigureSource& source)
{
    const Paragraph paragraph = paragraphOf(source);
    Figure figure;
    figure.data.columns = {QStringLiteral("token"), QStringLiteral("id"), QStringLiteral("text"),
                           QStringLiteral("given"), columnOf(source.coloring)};
    for (std::size_t i = 0; i < paragraph.pieces.size(); ++i) {
        const TokenRecord& record = source.trace().records[i];
        figure.data.rows.push_back({QString::number(i), QString::number(record.id), paragraph.pieces[i].text,
                                    QString::number(record.given ? 1 : 0), figureNumber(paragraph.pieces[i].value)});
    }
    figure.height = [paragraph](double width) {
        return scaleHeight(paragraph.title, paragraph.low, paragraph.high, width) + kGap +
               Setter(paragraph, width).height();
    };
    figure.paint = [paragraph](QPainter& painter, QSizeF size) { paintParagraph(painter, size, paragraph); };
    return figure;
}

} // namespace flextron::ui
