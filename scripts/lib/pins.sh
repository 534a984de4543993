# The outside sources that set-up fetches by name with pip, each with the SHA-256 of the one file expected.
# CMake reads the two versions from here as well (cmake/FlextronCache.cmake).

libtorch_version=2.11.0
sentencepiece_version=0.2.1
cudart_version=13.0.96
cupti_version=13.0.85

sentencepiece_sha256=8138cec27c2f2282f4a34d9a016e3374cd40e5c6e9cb335063db66a0a3b71fad

case $(uname -m) in
    x86_64)
        libtorch_sha256=7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a
        cudart_sha256=7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548
        cupti_sha256=4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8
        ;;
    aarch64)
        libtorch_sha256=d91aac77f24082809d2c5a93f52a5f085032740a1ebc9252a7b052ef5a4fddc6
        cudart_sha256=ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55
        cupti_sha256=796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151
        ;;
    *)
        die "no LibTorch is pinned for this processor ($(uname -m))" \
            "point FLEXTRON_LIBTORCH at a LibTorch of your own and build with CMake directly"
        ;;
esac
