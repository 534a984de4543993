#include "ui/jobs/corpusbars.h"

#include <algorithm>

#include <QHelpEvent>
#include <QKeyEvent>
#include <QLocale>
#include <QPainter>
#include <QScrollBar>
#include <QToolTip>

#include "ui/parts/colors.h"

namespace flextron::ui {

namespace {

QString blockName(SubBlock block)
{
    return block == SubBlock::Mlp ? CorpusBars::tr("MLP") : CorpusBars::tr("heads");
}

double mapPlace(std::size_t choice, std::size_t choices)
{
    return choices > 1 ? static_cast<double>(choice) / static_cast<double>(choices - 1) : 1.0;
}

} // namespace

CorpusBars::CorpusBars(QWidget* parent) : QAbstractScrollArea(parent)
{
    setFocusPolicy(Qt::StrongFocus);
    setAccessibleName(tr("Shares of the routers' choices by layer"));
    setToolTip(tr("Narrow choices dark, wide ones light. Arrow keys go from row to row."));
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
}

CorpusBars::Measures CorpusBars::measures() const
{
    const int line = fontMetrics().height();
    return {line * 5 / 4 + (others_.empty() ? 0 : line * 3 / 4),
            fontMetrics().horizontalAdvance(tr("L%1 %2 ").arg(QStringLiteral("000"), tr("heads"))),
            std::max(fontMetrics().horizontalAdvance(QStringLiteral(" 0.000   0.000 ")),
                     fontMetrics().horizontalAdvance(tr(" entropy margin ")))};
}

QSize CorpusBars::sizeHint() const
{
    return {fontMetrics().averageCharWidth() * 80, fontMetrics().height() * 12};
}

void CorpusBars::setRows(std::vector<CorpusRow> rows, std::vector<CorpusRow> others)
{
    rows_ = std::move(rows);
    others_ = others.size() == rows_.size() ? std::move(others) : std::vector<CorpusRow>();
    current_ = rows_.empty() ? -1 : std::clamp(current_, 0, static_cast<int>(rows_.size()) - 1);
    setAccessibleDescription(rowText(current_));
    fit();
    viewport()->update();
}

QString CorpusBars::rowText(int row) const
{
    if (row < 0 || row >= static_cast<int>(rows_.size())) return {};
    const QLocale locale;
    const auto words = [&](const CorpusRow& of) {
        QStringList shares;
        for (std::size_t i = 0; i < of.choices.size(); ++i)
            shares
                << tr("%1 for %2 %").arg(locale.toString(of.choices[i]), locale.toString(100 * of.shares[i], 'f', 1));
        return tr("%1; entropy between tokens %2 nats, margin %3")
            .arg(shares.join(QStringLiteral(", ")), locale.toString(of.entropy, 'f', 3),
                 locale.toString(of.margin, 'f', 3));
    };
    const CorpusRow& of = rows_[static_cast<std::size_t>(row)];
    QString text = tr("Layer %1, %2: %3").arg(locale.toString(of.layer), blockName(of.block), words(of));
    if (!others_.empty()) text += tr("\nThe other routers: %1").arg(words(others_[static_cast<std::size_t>(row)]));
    return text;
}

void CorpusBars::fit()
{
    const int all = measures().line * (static_cast<int>(rows_.size()) + 1); // and the heading
    verticalScrollBar()->setRange(0, std::max(0, all - viewport()->height()));
    verticalScrollBar()->setPageStep(viewport()->height());
    verticalScrollBar()->setSingleStep(measures().line);
}

void CorpusBars::resizeEvent(QResizeEvent* event)
{
    QAbstractScrollArea::resizeEvent(event);
    fit();
}

int CorpusBars::rowAt(int y) const
{
    const int row = (y + verticalScrollBar()->value()) / measures().line - 1;
    return row >= 0 && row < static_cast<int>(rows_.size()) ? row : -1;
}

void CorpusBars::drawBar(QPainter& painter, const QRectF& room, const CorpusRow& row) const
{
    double left = room.left();
    for (std::size_t i = 0; i < row.shares.size(); ++i) {
        const QRectF part(left, room.top(), room.width() * row.shares[i], room.height());
        const QColor color = sequentialColor(mapPlace(i, row.shares.size()));
        painter.fillRect(part, color);
        const QString width = QLocale().toString(row.choices[i]);
        if (part.width() > fontMetrics().horizontalAdvance(width) + 4 && room.height() >= fontMetrics().ascent()) {
            painter.setPen(textColorOn(color));
            painter.drawText(part, Qt::AlignCenter, width);
        }
        left = part.right();
    }
}

void CorpusBars::paintEvent(QPaintEvent*)
{
    QPainter painter(viewport());
    painter.fillRect(viewport()->rect(), palette().base());
    const Measures size = measures();
    const QLocale locale;
    const int top = -verticalScrollBar()->value();
    const double width = std::max(1, viewport()->width() - size.label - size.numbers);
    painter.setPen(quietColor(palette()));
    painter.drawText(QRectF(size.label, top, width, size.line), Qt::AlignVCenter | Qt::AlignLeft,
                     tr("share of the tokens by width"));
    painter.drawText(QRectF(size.label + width, top, size.numbers, size.line), Qt::AlignVCenter | Qt::AlignRight,
                     tr(" entropy margin "));
    for (std::size_t i = 0; i < rows_.size(); ++i) {
        const CorpusRow& row = rows_[i];
        const double y = top + size.line * static_cast<double>(i + 1);
        if (y + size.line < 0 || y > viewport()->height()) continue;
        const bool chosen = static_cast<int>(i) == current_;
        if (chosen) {
            QColor ground = palette().color(QPalette::Highlight);
            ground.setAlphaF(hasFocus() ? 0.35F : 0.15F);
            painter.fillRect(QRectF(0, y, viewport()->width(), size.line), ground);
        }
        painter.setPen(palette().color(QPalette::Text));
        painter.drawText(QRectF(2, y, size.label, size.line), Qt::AlignVCenter,
                         tr("L%1 %2").arg(QString::number(row.layer), blockName(row.block)));
        painter.drawText(
            QRectF(size.label + width, y, size.numbers, size.line), Qt::AlignVCenter | Qt::AlignRight,
            QStringLiteral("%1   %2 ").arg(locale.toString(row.entropy, 'f', 3), locale.toString(row.margin, 'f', 3)));
        const double bar = others_.empty() ? size.line - 3.0 : size.line * 0.6;
        drawBar(painter, QRectF(size.label, y + 1, width, bar), row);
        if (!others_.empty()) drawBar(painter, QRectF(size.label, y + 1 + bar, width, size.line - bar - 4), others_[i]);
    }
}

void CorpusBars::setCurrent(int row)
{
    if (row < 0 || row >= static_cast<int>(rows_.size())) return;
    current_ = row;
    setAccessibleDescription(rowText(row));
    const int y = measures().line * (row + 1);
    QScrollBar* bar = verticalScrollBar();
    if (y < bar->value() + measures().line) bar->setValue(y - measures().line);
    else if (y + measures().line > bar->value() + viewport()->height())
        bar->setValue(y + measures().line - viewport()->height());
    viewport()->update();
    emit rowChosen(rows_[static_cast<std::size_t>(row)].layer);
}

void CorpusBars::keyPressEvent(QKeyEvent* event)
{
    switch (event->key()) {
    case Qt::Key_Up: return setCurrent(std::max(0, current_ - 1));
    case Qt::Key_Down: return setCurrent(std::min(static_cast<int>(rows_.size()) - 1, current_ + 1));
    case Qt::Key_Home: return setCurrent(0);
    case Qt::Key_End: return setCurrent(static_cast<int>(rows_.size()) - 1);
    default: QAbstractScrollArea::keyPressEvent(event);
    }
}

void CorpusBars::mousePressEvent(QMouseEvent* event)
{
    setCurrent(rowAt(static_cast<int>(event->position().y())));
}

bool CorpusBars::viewportEvent(QEvent* event)
{
    if (event->type() == QEvent::ToolTip) {
        auto* help = static_cast<QHelpEvent*>(event);
        const QString text = rowText(rowAt(help->pos().y()));
        QToolTip::showText(help->globalPos(), text.isEmpty() ? toolTip() : text, this);
        return true;
    }
    return QAbstractScrollArea::viewportEvent(event);
}

} // namespace flextron::ui
