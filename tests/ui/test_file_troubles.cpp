// Files that cannot be written, read or opened: what, why and what to do is said, and nothing is lost.
#include <csignal>

#include <sys/resource.h>

#include <QDir>
#include <QDragEnterEvent>
#include <QFile>
#include <QMimeData>
#include <QSettings>
#include <QSignalSpy>
#include <QTemporaryDir>
#include <QTest>

#include "tests/ui/support/fake_engine.h"
#include "ui/compare/paneview.h"
#include "ui/compare/promptpanel.h"
#include "ui/parts/noticebar.h"
#include "ui/target/subnetworkpanel.h"
#include "ui/window/fileactions.h"
#include "ui/window/mainwindow.h"

using namespace flextron;
using namespace flextron::ui;

namespace {

constexpr int kLongMs = 60'000;

/// While it is there, no file can grow: the kernel refuses as it does on a disk that is full.
class FullDisk {
public:
    FullDisk()
    {
        ::getrlimit(RLIMIT_FSIZE, &before_);
        const rlimit small{64, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &small);
    }
    ~FullDisk() { ::setrlimit(RLIMIT_FSIZE, &before_); }
    FullDisk(const FullDisk&) = delete;
    FullDisk& operator=(const FullDisk&) = delete;

private:
    rlimit before_{};
};
} // namespace

class FileTroublesTest final : public QObject {
    Q_OBJECT

private slots:
    void init()
    {
        test::failOnWarnings();
        QSettings(QSettings::IniFormat, QSettings::UserScope, QStringLiteral("flextron"), QStringLiteral("explorer"))
            .clear();
        folder_ = std::make_unique<QTemporaryDir>();
        engine_ = std::make_unique<test::FakeEngine>();
        makeWindow(engine_->calls());
    }

    void cleanup()
    {
        window_.reset();
        engine_.reset();
    }

    void aFullDiskLeavesTheOldFilesAndTheWindow()
    {
        load();
        window_->subNetworkPanel()->setBudget(0.0);
        QTRY_VERIFY(complete());
        const QString before = screen();
        std::signal(SIGXFSZ, SIG_IGN);
        for (int kind = 0; kind < 3; ++kind) {
            const QString name = QStringLiteral("full%1").arg(kind);
            QVERIFY(writeAs(kind, path(name)));
            const QByteArray old = read(name);
            QVERIFY(old.size() > 64);
            {
                const FullDisk full;
                QVERIFY(!writeAs(kind, path(name)));
            }
            const QString notice = window_->noticeBar()->text();
            QVERIFY2(notice.contains(name), qPrintable(notice));                // what
            QVERIFY2(notice.contains("larger than"), qPrintable(notice));       // why
            QVERIFY2(notice.count(QLatin1Char('\n')) >= 2, qPrintable(notice)); // what to do
            QCOMPARE(read(name), old);
            QVERIFY(writeAs(kind, path(name))); // once there is room
        }
        QCOMPARE(screen(), before);
    }

    void filesOfANewerVersionAreRefused()
    {
        load();
        window_->subNetworkPanel()->setBudget(0.0);
        QTRY_VERIFY(complete());
        const QString before = screen();
        const auto newer = [this](int kind, const char* field, const QString& name) {
            QVERIFY(writeAs(kind, path(name)));
            QByteArray bytes = read(name);
            const qsizetype at = bytes.indexOf('1', bytes.indexOf(field));
            QVERIFY(at > 0);
            bytes[at] = '9';
            write(name, bytes);
            QSignalSpy done(window_->files(), &FileActions::done);
            window_->files()->openFile(path(name));
            QTRY_COMPARE(done.size(), 1);
            QVERIFY(!done.at(0).at(0).toBool());
            const QString notice = window_->noticeBar()->text();
            QVERIFY2(notice.contains("version 9") && notice.contains(name), qPrintable(notice));
        };
        newer(0, "flextron_session", QStringLiteral("newer.flextron"));
        newer(1, "schema_version", QStringLiteral("newer.safetensors"));
        QCOMPARE(screen(), before);
    }

    void filesAreDraggedIn()
    {
        load();
        window_->subNetworkPanel()->setBudget(0.0);
        QTRY_VERIFY(complete());
        QVERIFY(writeAs(0, path(QStringLiteral("s.flextron"))));
        QVERIFY(writeAs(1, path(QStringLiteral("t.safetensors"))));
        write(QStringLiteral("p.txt"), "the dog");
        write(QStringLiteral("p.jpg"), "no picture");
        drop(QStringLiteral("p.txt"));
        QCOMPARE(window_->promptPanel()->prompt(), QStringLiteral("the dog"));
        drop(QStringLiteral("s.flextron"));
        QTRY_COMPARE(window_->promptPanel()->prompt(), QString::fromLatin1(test::kPrompt));
        QTRY_VERIFY(complete());
        drop(QStringLiteral("t.safetensors"));
        QTRY_VERIFY(window_->comparison()->pane(PaneSlot::Live).kept);
        drop(QStringLiteral("p.jpg"));
        QVERIFY(window_->noticeBar()->text().contains("p.jpg could not be opened; nothing has changed."));
        const int loads = engine_->loads;
        drop(QString()); // the folder itself
        QTRY_COMPARE(engine_->loads.load(), loads + 1);
        QMimeData words;
        words.setText(QStringLiteral("a word"));
        QVERIFY(!offered(words));
    }

    void aModelMayGoWhileItIsOpen()
    {
        const QString folder = path(QStringLiteral("model"));
        QVERIFY(QDir().mkpath(folder));
        const QDir source(QStringLiteral(FLEXTRON_TEST_DATA "/stories260k-llama"));
        for (const QString& name : source.entryList(QDir::Files))
            QVERIFY(QFile::copy(source.filePath(name), folder + "/" + name));
        makeWindow(realEngine());
        load(folder);
        QVERIFY(QDir(folder).removeRecursively());
        window_->subNetworkPanel()->setBudget(0.0);
        QTRY_VERIFY_WITH_TIMEOUT(complete(), kLongMs);
        const QString before = screen();
        QSignalSpy failed(window_->service(), &EngineService::loadFailed);
        window_->openModel(folder);
        QTRY_COMPARE(failed.size(), 1);
        QVERIFY(window_->statusText().contains(folder));
        QCOMPARE(screen(), before); // the model that was open stays, and works
        window_->comparison()->run();
        QTRY_VERIFY_WITH_TIMEOUT(complete(), kLongMs);
    }

private:
    void makeWindow(const EngineCalls& calls)
    {
        window_ = std::make_unique<MainWindow>(calls);
        window_->setMeasureInBackground(false);
        window_->promptPanel()->setPrompt(QString::fromLatin1(test::kPrompt));
        RunInputs inputs = window_->comparison()->inputs();
        inputs.max_tokens = 20;
        window_->comparison()->setInputs(inputs);
        window_->show();
        QVERIFY(QTest::qWaitForWindowExposed(window_.get()));
    }

    void load(const QString& model = QStringLiteral("fake"))
    {
        QSignalSpy loaded(window_->service(), &EngineService::modelLoaded);
        window_->openModel(model);
        QVERIFY(loaded.wait(kLongMs));
        QTest::qWait(1); // what is queued after it
    }

    [[nodiscard]] bool complete() const
    {
        return !window_->service()->running() && window_->comparison()->pane(PaneSlot::Full).complete() &&
               window_->comparison()->pane(PaneSlot::Live).complete();
    }

    /// What can be read off the window.
    [[nodiscard]] QString screen() const
    {
        return window_->promptPanel()->prompt() + window_->subNetworkPanel()->latencyText() +
               window_->paneView(PaneSlot::Full)->text()->toPlainText() +
               window_->paneView(PaneSlot::Live)->text()->toPlainText();
    }

    /// A session, a trace or texts; false when the window says that it failed.
    bool writeAs(int kind, const QString& file)
    {
        QSignalSpy done(window_->files(), &FileActions::done);
        if (kind == 0) window_->files()->saveSession(file);
        if (kind == 1) window_->files()->saveTraces(file);
        if (kind == 2) window_->files()->exportTexts(file);
        return done.wait() && done.at(0).at(0).toBool();
    }

    bool offered(const QMimeData& mime)
    {
        QDragEnterEvent enter(QPoint(5, 5), Qt::CopyAction, &mime, Qt::LeftButton, Qt::NoModifier);
        enter.setAccepted(false);
        QCoreApplication::sendEvent(window_.get(), &enter);
        return enter.isAccepted();
    }

    void drop(const QString& name)
    {
        QMimeData mime;
        mime.setUrls({QUrl::fromLocalFile(path(name))});
        QVERIFY(offered(mime));
        QDropEvent event(QPointF(5, 5), Qt::CopyAction, &mime, Qt::LeftButton, Qt::NoModifier);
        QCoreApplication::sendEvent(window_.get(), &event);
    }

    [[nodiscard]] QString path(const QString& name) const { return folder_->filePath(name); }
    void write(const QString& name, const QByteArray& content)
    {
        QFile file(path(name));
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.write(content);
    }
    [[nodiscard]] QByteArray read(const QString& name) const
    {
        QFile file(path(name));
        return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
    }

    std::unique_ptr<QTemporaryDir> folder_;
    std::unique_ptr<test::FakeEngine> engine_;
    std::unique_ptr<MainWindow> window_;
};

QTEST_MAIN(FileTroublesTest)
#include "test_file_troubles.moc"
