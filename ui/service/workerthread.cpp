#include "ui/service/workerthread.h"

namespace flextron::ui {

WorkerThread::WorkerThread(const QString& name)
{
    thread_.setObjectName(name);
    thread_.start();
}

WorkerThread::~WorkerThread()
{
    stop();
}

void WorkerThread::adopt(QObject* worker)
{
    worker->moveToThread(&thread_);
    QObject::connect(&thread_, &QThread::finished, worker, &QObject::deleteLater);
}

void WorkerThread::stop()
{
    thread_.quit();
    thread_.wait();
}

} // namespace flextron::ui
