// Work that would hold up the window, on another thread.
#pragma once

#include <utility>

#include <QCoreApplication>
#include <QPointer>
#include <QThreadPool>

namespace flextron::ui {

/// Runs `work` on another thread and `then` with its result on the window's, unless `context` is gone by then.
template <class Work, class Then> void elsewhere(QObject* context, Work work, Then then)
{
    QThreadPool::globalInstance()->start([guard = QPointer<QObject>(context), work = std::move(work), then]() mutable {
        auto result = work();
        QMetaObject::invokeMethod(qApp, [guard, then, result = std::move(result)] {
            if (guard) then(result);
        });
    });
}

} // namespace flextron::ui
