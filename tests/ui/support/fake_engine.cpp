#include "tests/ui/support/fake_engine.h"

#include <QRegularExpression>
#include <QTest>
#include <QThread>

namespace flextron::test {

FakeEngine::FakeEngine()
{
    fake = fakeModel(folder_.filePath("fake").toStdString());
    fake.backend->before_layer = [this](int) {
        if (const int ms = layer_ms; ms > 0) QThread::msleep(static_cast<unsigned long>(ms));
    };
}

ui::EngineCalls FakeEngine::calls()
{
    ui::EngineCalls calls;
    calls.load = [this](const std::string& model, const LoadOptions&, const ProgressFn& progress,
                        const CancelToken& cancel) -> Result<LoadedModel> {
        ++loads;
        progress({"reading weights", 5, 10, "bytes"});
        if (model == "missing")
            return Error{ErrorCode::NotFound, "missing: there is no such folder", "Check the path."};
        while (model == "slow") {
            if (cancel.cancelled()) return Error{ErrorCode::Cancelled, "cancelled", ""};
            QThread::msleep(1);
        }
        return *fake.model;
    };
    calls.measure = [this](const Backend& backend, const ProgressFn& progress,
                           const CancelToken& cancel) -> Result<LatencyTable> {
        ++measures;
        while (measure_hangs) {
            if (cancel.cancelled()) return Error{ErrorCode::Cancelled, "cancelled", ""};
            QThread::msleep(1);
        }
        return measureLatency(backend, {}, progress, cancel);
    };
    return calls;
}

void failOnWarnings()
{
    QTest::failOnWarning(QRegularExpression(QStringLiteral("^(?!This plugin does not support).*")));
}

} // namespace flextron::test
