// Runs build/bin/flextron and keeps what it said.
#pragma once

#include <QDateTime>
#include <QDir>
#include <QFile>
#include <QFileInfo>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QProcess>
#include <QTemporaryDir>
#include <QTest>

struct CliRun {
    int code = -1; ///< -1: it crashed or did not end
    QByteArray out;
    QByteArray err;

    [[nodiscard]] QJsonDocument json() const { return QJsonDocument::fromJson(out); }
    [[nodiscard]] const QJsonObject object() const { return json().object(); }
};

inline QString cliProgram()
{
    return QStringLiteral(FLEXTRON_BIN_DIR "/flextron");
}
inline QString testData(const QString& name)
{
    return QStringLiteral(FLEXTRON_TEST_DATA "/") + name;
}

inline CliRun finished(QProcess& process)
{
    if (!process.waitForFinished(120000)) process.kill();
    CliRun run;
    if (process.exitStatus() == QProcess::NormalExit && process.error() == QProcess::UnknownError)
        run.code = process.exitCode();
    run.out = process.readAllStandardOutput();
    run.err = process.readAllStandardError();
    return run;
}

inline CliRun runCli(const QStringList& arguments, const QByteArray& input = {})
{
    QProcess process;
    process.start(cliProgram(), arguments);
    process.write(input);
    process.closeWriteChannel();
    return finished(process);
}

inline CliRun runShell(const QString& script)
{
    QProcess process;
    process.start(QStringLiteral("bash"), {QStringLiteral("-c"), script});
    return finished(process);
}

inline QJsonObject golden(const QString& model)
{
    QFile file(testData(model + "/golden.json"));
    return file.open(QIODevice::ReadOnly) ? QJsonDocument::fromJson(file.readAll()).object() : QJsonObject();
}

inline QString idsText(const QJsonArray& ids, qsizetype count)
{
    QStringList words;
    for (qsizetype index = 0; index < qMin(count, ids.size()); ++index) words += QString::number(ids[index].toInt());
    return words.join(',');
}

inline bool writeBytes(const QString& path, const QByteArray& bytes)
{
    QFile file(path);
    return file.open(QIODevice::WriteOnly) && file.write(bytes) == bytes.size();
}

/// A copy of a test model in `folder`, to be broken.
inline QString copyModel(const QString& model, const QTemporaryDir& folder)
{
    const QDir source(testData(model));
    for (const auto& name : source.entryList(QDir::Files)) {
        QFile::copy(source.filePath(name), folder.filePath(name));
        QFile::setPermissions(folder.filePath(name), QFile::ReadOwner | QFile::WriteOwner);
    }
    return folder.path();
}

/// Exactly "flextron: error: ..." and, on the next line, "hint: ...", and nothing on standard output.
#define VERIFY_FAILS(run, expected_code, what, hint)                                                                   \
    do {                                                                                                               \
        QVERIFY2((run).code == (expected_code), qPrintable(QString::number((run).code) + ": " + (run).err));           \
        QCOMPARE((run).out, QByteArray());                                                                             \
        const auto lines = (run).err.split('\n');                                                                      \
        QVERIFY2(lines.size() == 3 && lines[2].isEmpty(), (run).err.constData());                                      \
        QVERIFY2(lines[0].startsWith("flextron: error: ") && lines[0].contains(what), (run).err.constData());          \
        QVERIFY2(lines[1].startsWith("hint: ") && lines[1].contains(hint), (run).err.constData());                     \
    } while (false)
