// Work that may take long, on another thread; its result comes back to the window's.
#pragma once

#include <utility>

#include <QCoreApplication>
#include <QPointer>
#include <QThreadPool>

namespace flextron::ui {

/// Runs `work` on another thread and `then` with its result here, unless `context` is gone.
template <class Work, class Then> void elsewhere(QObject* context, Work work, Then then)
{
    QThreadPool::globalInstance()->start([guard = QPointer<QObject>(context), work, then] {
        auto result = work();
        QMetaObject::invokeMethod(qApp, [guard, then, result = std::move(result)] {
            if (guard) then(result);
        });
    });
}

} // namespace flextron::ui
