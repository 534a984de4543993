#!/usr/bin/env python3
"""Flextron, llama.cpp and Hugging Face transformers on the same weights: how fast each reads a prompt and writes on.

    peers.py --flextron build/release/bin/flextron --model FOLDER [--type f16|bf16|q8] [--threads N] [--repeats N]

FOLDER is a checkpoint of the Llama family; `flextron bench --shape 135M` leaves one with random weights in
~/.cache/flextron/bench/135M. Every program gets the same ids (a prompt of 128, seeded), the same number of threads and
the same type of weights, and writes 128 tokens greedily. They take turns, and medians are given. What is not installed
is left out. llama.cpp comes from PyPI, built for the machine at hand, and the model is written as GGUF with PyPI's gguf:

    CMAKE_ARGS="-DGGML_NATIVE=ON -DGGML_OPENMP=ON -DLLAVA_BUILD=OFF -DLLAMA_BUILD_TOOLS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \\
        -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_TESTS=OFF" \\
        pip install --no-binary llama-cpp-python llama-cpp-python==0.3.36 gguf==0.19.0

Transformers has no 8-bit weights of its own: it computes in bfloat16 there, and in float32 where float16 was asked for,
because that is what a processor does well.
"""
import argparse
import ctypes
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

PROMPT, NEW = 128, 128


def read_safetensors(path):
    """Name -> float32 array, of one file."""
    raw = np.memmap(path, np.uint8, "r")
    length = int(np.frombuffer(raw[:8], "<u8")[0])
    header = json.loads(bytes(raw[8 : 8 + length]))
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        data = raw[8 + length + begin : 8 + length + end]
        if entry["dtype"] == "BF16":
            values = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            values = np.frombuffer(data, {"F16": "<f2", "F32": "<f4"}[entry["dtype"]]).astype(np.float32)
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def write_gguf(folder, config, kind, path):
    """The checkpoint as llama.cpp reads it; ids only, no tokenizer."""
    import gguf

    quantised = {"f16": gguf.GGMLQuantizationType.F16, "bf16": gguf.GGMLQuantizationType.BF16,
                 "q8": gguf.GGMLQuantizationType.Q8_0}[kind]
    writer = gguf.GGUFWriter(str(path), "llama")
    heads, groups = config["num_attention_heads"], config.get("num_key_value_heads", config["num_attention_heads"])
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    rope = config.get("rope_parameters") or {}
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(groups)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(float(config.get("rope_theta") or rope.get("rope_theta", 10000.0)))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_tokenizer_model("none")

    def paired(weight, count):
        # llama.cpp turns neighbouring pairs, Hugging Face halves.
        out, inputs = weight.shape
        return weight.reshape(count, 2, out // count // 2, inputs).swapaxes(1, 2).reshape(out, inputs)

    names = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
             "lm_head.weight": "output.weight"}
    parts = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
             "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
             "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
    for file in sorted(folder.glob("*.safetensors")):
        if file.name.startswith("routers"):
            continue
        for name, weight in read_safetensors(file).items():
            if name in names:
                target = names[name]
            else:
                layer, part = name.removeprefix("model.layers.").split(".", 1)
                target = f"blk.{layer}.{parts[part.removesuffix('.weight')]}.weight"
            if name.endswith("q_proj.weight"):
                weight = paired(weight, heads)
            if name.endswith("k_proj.weight"):
                weight = paired(weight, groups)
            if weight.ndim == 1:
                writer.add_tensor(target, weight)
            else:
                data = gguf.quants.quantize(np.ascontiguousarray(weight), quantised)
                writer.add_tensor(target, data, raw_dtype=quantised)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


class Flextron:
    name = "flextron"

    def __init__(self, args, ids):
        self.command = [args.flextron, "generate", str(args.model), "--prompt-ids", ",".join(map(str, ids)),
                        "--max-tokens", str(NEW), "--temperature", "0"]
        self.common = ["--json", "--device", "cpu", "--weights", args.type, "--threads", str(args.threads)]
        self.common += args.flextron_options
        # Reading a prompt for a text also takes every token's probability; what is compared is reading alone.
        bench = self.call([args.flextron, "bench", str(args.model), "--repeats", "9"])
        self.prefill = next(row["ms"] for row in bench["rows"] if row["name"] == "prefill, full") / 1000

    def run(self):
        done = self.call(self.command)
        return self.prefill, (NEW - 1) / done["timing"]["tokens_per_second"], done["ids"]

    def call(self, command):
        return json.loads(subprocess.run(command + self.common, check=True, capture_output=True, text=True).stdout)


class LlamaCpp:
    name = "llama.cpp"

    def __init__(self, args, ids):
        import llama_cpp

        self.lib, self.ids = llama_cpp, ids
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name) / "model.gguf"
        write_gguf(args.model, args.config, args.type, path)
        quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)
        llama_cpp.llama_log_set(quiet, ctypes.c_void_p(0))
        self.quiet = quiet
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), llama_cpp.llama_model_default_params())
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = PROMPT + NEW
        params.n_threads = params.n_threads_batch = args.threads
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        self.greedy = llama_cpp.llama_sampler_init_greedy()

    def decode(self, ids):
        array = (self.lib.llama_token * len(ids))(*ids)
        if self.lib.llama_decode(self.context, self.lib.llama_batch_get_one(array, len(ids))) != 0:
            raise RuntimeError("llama_decode failed")
        return self.lib.llama_sampler_sample(self.greedy, self.context, -1)

    def run(self):
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)
        start = time.perf_counter()
        written = [self.decode(self.ids)]
        first = time.perf_counter()
        while len(written) < NEW:
            written.append(self.decode(written[-1:]))
        return first - start, time.perf_counter() - first, written


class Transformers:
    name = "transformers"

    def __init__(self, args, ids):
        import torch
        import transformers

        torch.set_num_threads(args.threads)
        self.torch, self.ids = torch, torch.tensor([ids])
        self.type = torch.float32 if args.type == "f16" else torch.bfloat16
        self.model = transformers.AutoModelForCausalLM.from_pretrained(args.model, dtype=self.type).eval()

    def run(self):
        with self.torch.inference_mode():
            start = time.perf_counter()
            out = self.model(self.ids, use_cache=True)
            written = [int(out.logits[0, -1].argmax())]
            first = time.perf_counter()
            while len(written) < NEW:
                out = self.model(self.torch.tensor([written[-1:]]), past_key_values=out.past_key_values,
                                 use_cache=True)
                written.append(int(out.logits[0, -1].argmax()))
            return first - start, time.perf_counter() - first, written


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flextron", required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--type", choices=["f16", "bf16", "q8"], default="f16")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--without", action="append", default=[], help="leave one out: llama.cpp, transformers")
    args, args.flextron_options = parser.parse_known_args()
    args.config = json.loads((args.model / "config.json").read_text())
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    ids = np.random.default_rng(1).integers(3, args.config["vocab_size"], PROMPT).tolist()

    runners = []
    for kind in (Flextron, LlamaCpp, Transformers):
        if kind.name in args.without:
            continue
        try:
            runners.append(kind(args, ids))
        except ImportError as problem:
            print(f"{kind.name} is left out: {problem}")
    times = {runner.name: [] for runner in runners}
    texts = {}
    for repeat in range(args.repeats + 1):  # the first one warms up
        for runner in runners:
            prefill, decode, texts[runner.name] = runner.run()
            if repeat > 0:
                times[runner.name].append((prefill, decode))
    print(f"{args.model.name}, {args.type}, {args.threads} threads, medians of {args.repeats}; "
          f"a prompt of {PROMPT}, then {NEW} tokens, greedy")
    print(f"{'':14}{'prefill tok/s':>15}{'decode tok/s':>15}{'same ids':>10}")
    for name, taken in times.items():
        prefill, decode = (statistics.median(column) for column in zip(*taken))
        same = next((i for i, (a, b) in enumerate(zip(texts[name], texts["flextron"])) if a != b), NEW)
        print(f"{name:14}{PROMPT / prefill:15.1f}{(NEW - 1) / decode:15.1f}{same:10}")


if __name__ == "__main__":
    main()
