#include "engine/base/version.h"
#include "engine/compute/torch_version.h"

#include <CLI/CLI.hpp>

#include <iostream>

int main(int argc, char** argv)
{
    CLI::App program("Elastic language models from the command line", "flextron");
    program.set_version_flag("--version", std::string("flextron ") + flextron::version + ", LibTorch " +
                                              flextron::torchVersion() + ", " + flextron::torchCpuCapability());
    CLI11_PARSE(program, argc, argv);
    std::cout << program.help();
    return 0;
}
