// Files and folders are read whole or refused in words, and written whole or not at all.
#include <QtTest/QtTest>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "engine/base/files.h"
#include "engine/base/files_p.h"
#include "tests/engine/support/expect.h"

using namespace flextron;
using namespace flextron::test;
namespace fs = std::filesystem;

class TestFiles : public QObject {
    Q_OBJECT

private:
    QTemporaryDir directory_;
    fs::path folder_;

    std::size_t entries() const
    {
        return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
    }

private slots:
    void init()
    {
        folder_ = fs::path(directory_.path().toStdString()) / QTest::currentTestFunction();
        fs::create_directories(folder_);
    }

    void whatIsWrittenIsRead()
    {
        const fs::path file = folder_ / "a.txt";
        succeed(writeFile(file, "first"));
        succeed(writeFile(file, "second\n"));
        QCOMPARE(valueOf(readFile(file)), std::string("second\n"));
        const MappedFile mapped = valueOf(MappedFile::open(file));
        QCOMPARE(mapped.bytes().size(), std::size_t{7});
        QCOMPARE(static_cast<char>(mapped.bytes()[0]), 's');
        QCOMPARE(entries(), std::size_t{1}); // no temporary file stays behind
    }

    void anEmptyFileIsAnEmptySpan()
    {
        succeed(writeFile(folder_ / "empty", ""));
        QVERIFY(valueOf(MappedFile::open(folder_ / "empty")).bytes().empty());
        QCOMPARE(valueOf(readFile(folder_ / "empty")), std::string());
    }

    void aMappedFileSurvivesMovesAndDeletion()
    {
        succeed(writeFile(folder_ / "a", "abc"));
        MappedFile first = valueOf(MappedFile::open(folder_ / "a"));
        fs::remove(folder_ / "a");
        const MappedFile second = std::move(first);
        QCOMPARE(static_cast<char>(second.bytes()[2]), 'c');
    }

    void readingRefusesInWords()
    {
        succeed(writeFile(folder_ / "file", "12345"));
        VERIFY_FAILURE(readFile(folder_ / "none"), ErrorCode::NotFound,
                       (folder_ / "none").string() + ": it does not exist", "typing error");
        VERIFY_FAILURE(MappedFile::open(folder_ / "none"), ErrorCode::NotFound, "it does not exist", "typing error");
        VERIFY_FAILURE(readFile(folder_), ErrorCode::InvalidArgument, "it is a folder, not a file", "path of a file");
        VERIFY_FAILURE(MappedFile::open(folder_ / "file" / "x"), ErrorCode::NotFound, "a part of the path is a file",
                       "typing error");
        VERIFY_FAILURE(readFile(folder_ / "file", 4), ErrorCode::Corrupt, "is larger than 4 bytes", "right one");
        // A named pipe without a writer must not hang the program.
        QCOMPARE(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
        VERIFY_FAILURE(MappedFile::open(folder_ / "pipe"), ErrorCode::InvalidArgument, "it is not a regular file",
                       "path of a file");
    }

    void anAbandonedFileLeavesTheOldOne()
    {
        succeed(writeFile(folder_ / "a", "old"));
        {
            AtomicFile file = valueOf(AtomicFile::create(folder_ / "a"));
            succeed(file.write("new"));
        }
        QCOMPARE(valueOf(readFile(folder_ / "a")), std::string("old"));
        QCOMPARE(entries(), std::size_t{1});
    }

    void unwritableFoldersAreNamed_data()
    {
        QTest::addColumn<QString>("path");
        QTest::addColumn<int>("code");
        QTest::addColumn<QString>("message");
        QTest::newRow("below a file") << "/proc/version/model" << static_cast<int>(ErrorCode::NotFound)
                                      << "a part of the path is a file";
        QTest::newRow("in a folder that is not there")
            << "/nowhere/at/all" << static_cast<int>(ErrorCode::NotFound) << "it does not exist";
        QTest::newRow("in a file system that takes no files")
            << "/proc/model" << static_cast<int>(ErrorCode::NotFound) << "cannot create /proc/model";
    }
    void unwritableFoldersAreNamed()
    {
        QFETCH(QString, path);
        QFETCH(int, code);
        QFETCH(QString, message);
        VERIFY_FAILURE(writeFile(path.toStdString(), "text"), static_cast<ErrorCode>(code), message.toStdString(),
                       "check the path");
    }

    void permissionIsNamed()
    {
        // The rights of root cannot be taken away, so the words are checked on the error number itself.
        const Failure failure = fileFailure("create", "/a/b", EACCES);
        VERIFY_FAILURE(Result<void>(failure.error()), ErrorCode::Io, "cannot create /a/b: permission denied",
                       "choose a folder of your own");
        if (::geteuid() == 0) return;
        fs::permissions(folder_, fs::perms::owner_read | fs::perms::owner_exec);
        VERIFY_FAILURE(writeFile(folder_ / "a", "text"), ErrorCode::Io, "permission denied",
                       "choose a folder of your own");
    }

    void aFullDiskIsNamed()
    {
        // /dev/full: the kernel's own disk that is always full.
        const int descriptor = ::open("/dev/full", O_WRONLY);
        QVERIFY(descriptor >= 0);
        const auto written = guarded(
            [&] { writeFully(descriptor, std::as_bytes(std::span("weights", 7)), "/models/out/model.safetensors"); });
        ::close(descriptor);
        VERIFY_FAILURE(written, ErrorCode::Io, "cannot write /models/out/model.safetensors: the disk is full",
                       "free some space, or choose a folder on another disk");
    }

    void aDiskThatFillsUpInMidFileLeavesTheOldFile()
    {
        succeed(writeFile(folder_ / "a", "old"));
        rlimit before{};
        ::getrlimit(RLIMIT_FSIZE, &before);
        std::signal(SIGXFSZ, SIG_IGN);
        const rlimit small{4096, before.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &small);
        const auto written = writeFile(folder_ / "a", std::string(10'000, 'x'));
        ::setrlimit(RLIMIT_FSIZE, &before);
        VERIFY_FAILURE(written, ErrorCode::Io, "larger than the file system or a limit allows", "ulimit -f");
        QCOMPARE(valueOf(readFile(folder_ / "a")), std::string("old"));
        QCOMPARE(entries(), std::size_t{1});
    }

    void aFolderAppearsWhenComplete()
    {
        const fs::path target = folder_ / "deep" / "model";
        {
            AtomicFolder folder = valueOf(AtomicFolder::create(target));
            succeed(writeFile(folder.path() / "config.json", "{}"));
            QVERIFY(!fs::exists(target));
            succeed(folder.commit());
        }
        QCOMPARE(valueOf(readFile(target / "config.json")), std::string("{}"));
        QCOMPARE(static_cast<std::size_t>(
                     std::distance(fs::directory_iterator(target.parent_path()), fs::directory_iterator())),
                 std::size_t{1});
    }

    void anAbandonedFolderIsRemoved()
    {
        {
            AtomicFolder folder = valueOf(AtomicFolder::create(folder_ / "model/"));
            succeed(writeFile(folder.path() / "config.json", "{}"));
        }
        QCOMPARE(entries(), std::size_t{0});
    }

    void foldersInUseAreNotOverwritten()
    {
        fs::create_directories(folder_ / "empty");
        succeed(valueOf(AtomicFolder::create(folder_ / "empty")).commit()); // an empty one may be filled
        fs::create_directories(folder_ / "full" / "x");
        succeed(writeFile(folder_ / "file", ""));
        for (const char* name : {"full", "file", "full/", "full/."})
            VERIFY_FAILURE(AtomicFolder::create(folder_ / name), ErrorCode::InvalidArgument, "it already exists",
                           "nothing is overwritten");
        VERIFY_FAILURE(AtomicFolder::create(""), ErrorCode::InvalidArgument, "the name of the new folder is empty",
                       "folder's path");
        VERIFY_FAILURE(AtomicFolder::create(folder_ / "file" / "model"), ErrorCode::NotFound,
                       "a part of the path is a file", "check the path");
    }

    void foldersFollowTheEnvironment()
    {
        qputenv("XDG_CACHE_HOME", "/tmp/cache");
        QCOMPARE(cacheFolder(), fs::path("/tmp/cache/flextron"));
        qputenv("XDG_CONFIG_HOME", "not/absolute"); // to be ignored, says the specification
        qputenv("HOME", "/tmp/home");
        QCOMPARE(configFolder(), fs::path("/tmp/home/.config/flextron"));
        qunsetenv("XDG_DATA_HOME");
        QCOMPARE(dataFolder(), fs::path("/tmp/home/.local/share/flextron"));
        qputenv("FLEXTRON_RESOURCES", "/tmp/resources");
        QCOMPARE(resourceFolder(), fs::path("/tmp/resources"));
        qunsetenv("FLEXTRON_RESOURCES");
        QCOMPARE(resourceFolder(), fs::path(FLEXTRON_SOURCE_DIR) / "resources");
    }
};

QTEST_APPLESS_MAIN(TestFiles)
#include "test_files.moc"
