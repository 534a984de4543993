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
constexpr double kMostOfWidth = 0.3;   // texts and sliders want the rest
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
    const QSize room = screen()->availableSize();
    const int most = static_cast<int>(kMostOfScreen * room.height());
    const int bar = verticalScrollBar()->sizeHint().width();
    if (least_ == Least::Little)
        return {needed.width() + bar <= kMostOfWidth * room.width() ? needed.width() + bar
                                                                    : kFewLetters * fontMetrics().averageCharWidth(),
                needed.height() <= most ? needed.height() : kFewLines * fontMetrics().height()};
    if (needed.height() <= most) return needed;
    return {needed.width() + bar, most};
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
    const QSize least = widget()->minimumSizeHint();
    const bool wraps = least_ == Least::Width && layout != nullptr && layout->hasHeightForWidth();
    const int width = least_ == Least::Width ? room.width() : std::max(room.width(), least.width());
    const int height = wraps ? layout->totalMinimumHeightForWidth(width) : least.height();
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
