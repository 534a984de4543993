#include "ui/parts/fittingarea.h"

#include <algorithm>

#include <QEvent>
#include <QLayout>
#include <QScreen>
#include <QScrollBar>

#include "ui/parts/wheelguard.h"

namespace flextron::ui {

namespace {
constexpr int kFewLetters = 24, kFewLines = 6;
constexpr double kMostOfScreen = 0.42; // two of them stand one above the other, with a title bar and menus
} // namespace

FittingArea::FittingArea(QWidget* content, Least least, QWidget* parent) : QScrollArea(parent), least_(least)
{
    setFrameShape(QFrame::NoFrame);
    setFocusPolicy(Qt::NoFocus); // its controls have the keyboard, and Tab scrolls to them
    if (least == Least::Width) setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setWidget(content);
    content->installEventFilter(this);
    guardFromWheel(content);
}

QSize FittingArea::minimumSizeHint() const
{
    const QSize needed = widget()->minimumSizeHint();
    if (least_ == Least::Little)
        return needed.boundedTo({kFewLetters * fontMetrics().averageCharWidth(), kFewLines * fontMetrics().height()});
    const int most = static_cast<int>(kMostOfScreen * screen()->availableSize().height());
    if (needed.height() <= most) return needed;
    return {needed.width() + verticalScrollBar()->sizeHint().width(), most};
}

QSize FittingArea::sizeHint() const
{
    return widget()->sizeHint();
}

// Not by setWidgetResizable: where labels wrap, that gives the content the height it would like, and scrolls what would
// fit at its least.
void FittingArea::fit()
{
    const QSize room = viewport()->size();
    const QLayout* layout = widget()->layout();
    const int width = least_ == Least::Little ? std::max(room.width(), widget()->minimumSizeHint().width())
                                              : room.width();
    const int height = layout != nullptr && layout->hasHeightForWidth() ? layout->totalMinimumHeightForWidth(width)
                                                                        : widget()->minimumSizeHint().height();
    widget()->resize(width, std::max(room.height(), height));
}

void FittingArea::resizeEvent(QResizeEvent* event)
{
    fit();
    QScrollArea::resizeEvent(event);
}

bool FittingArea::eventFilter(QObject* watched, QEvent* event)
{
    if (watched == widget() && event->type() == QEvent::LayoutRequest) {
        updateGeometry();
        fit();
    }
    return QScrollArea::eventFilter(watched, event);
}

} // namespace flextron::ui
