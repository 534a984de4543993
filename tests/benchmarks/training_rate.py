#!/usr/bin/env python3
"""How fast `flextron train` is, against the same model trained in plain PyTorch; and what an elastic step costs.

    training_rate.py --flextron build/release/bin/flextron [--shape llama|gpt2] [--batch N] [--steps N] [--pairs N]
                     [--threads N]

Both train the shape of a small model of tests/data from scratch: the same batch and sequence length, float32, AdamW with
clipping, the same number of threads, in turns. PyTorch gets random ids; ours reads and tokenizes resources/corpus as
well. Both times are those of steps from the second on. Then the model that came out gets elastic training with K really
sliced sub-networks a step and no distillation: its time for each FLOP of the forward and backward passes, over that of
the base training's full-width steps, is what slicing and choosing cost on top.

PyTorch is the one of `scripts/setup --transformers`, or the system's:

    PYTHONPATH=~/.cache/flextron/transformers-... python3 tests/benchmarks/training_rate.py --flextron ...
"""
import argparse
import json
import math
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
CORPUS = ROOT / "resources" / "corpus" / "tales.txt"
SHAPES = {"llama": ("stories-llama-base", "tokenizer.model"), "gpt2": ("stories-gpt2", "tokenizer.json")}


class RmsNorm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * self.weight


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


class Block(nn.Module):
    """A layer of either family: attention and MLP, each behind a norm."""

    def __init__(self, llama, size, heads, inner, length):
        super().__init__()
        self.llama, self.heads = llama, heads
        norm = RmsNorm if llama else nn.LayerNorm
        self.norm1, self.norm2 = norm(size), norm(size)
        self.qkv = nn.Linear(size, 3 * size, bias=not llama)
        self.o = nn.Linear(size, size, bias=not llama)
        self.up = nn.Linear(size, (2 if llama else 1) * inner, bias=not llama)
        self.down = nn.Linear(inner, size, bias=not llama)
        angles = torch.outer(torch.arange(length).float(),
                             10000.0 ** (-torch.arange(0, size // heads, 2).float() / (size // heads)))
        self.register_buffer("cos", torch.cat((angles, angles), -1).cos())
        self.register_buffer("sin", torch.cat((angles, angles), -1).sin())

    def forward(self, x):
        batch, length, size = x.shape
        q, k, v = (t.view(batch, length, self.heads, -1).transpose(1, 2)
                   for t in self.qkv(self.norm1(x)).chunk(3, -1))
        if self.llama:
            q, k = rotate(q, self.cos, self.sin), rotate(k, self.cos, self.sin)
        x = x + self.o(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(x.shape))
        h = self.up(self.norm2(x))
        if self.llama:
            gate, up = h.chunk(2, -1)
            return x + self.down(F.silu(gate) * up)
        return x + self.down(F.gelu(h, approximate="tanh"))


class Model(nn.Module):
    def __init__(self, config, length):
        super().__init__()
        llama = config["model_type"] == "llama"
        size = config["hidden_size"] if llama else config["n_embd"]
        layers = config["num_hidden_layers"] if llama else config["n_layer"]
        heads = config["num_attention_heads"] if llama else config["n_head"]
        inner = config["intermediate_size"] if llama else config["n_inner"] or 4 * size
        self.embed = nn.Embedding(config["vocab_size"], size)
        self.position = None if llama else nn.Embedding(length, size)
        self.blocks = nn.ModuleList(Block(llama, size, heads, inner, length) for _ in range(layers))
        self.norm = RmsNorm(size) if llama else nn.LayerNorm(size)
        for weight in self.parameters():
            if weight.dim() > 1:
                nn.init.normal_(weight, std=0.02)

    def forward(self, ids):
        x = self.embed(ids)
        if self.position is not None:
            x = x + self.position.weight
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.embed.weight)  # tied


def pytorch_rate(config, batch, length, steps):
    """Tokens a second."""
    torch.manual_seed(0)
    model = Model(config, length)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    began = 0.0
    for step in range(steps):
        if step == 1:
            began = time.perf_counter()
        ids = torch.randint(config["vocab_size"], (batch, length))
        logits = model(ids)
        loss = F.cross_entropy(logits[:, :-1].reshape(-1, logits.size(-1)), ids[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        assert math.isfinite(loss.item())
    return batch * length * (steps - 1) / (time.perf_counter() - began)


def flextron(program, command, out, *arguments):
    """The seconds of a step from the second on, and the report."""
    done = subprocess.run([program, command, *map(str, arguments), "--out", str(out), "--json"],
                          stdout=subprocess.PIPE, check=True)
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    report = json.loads(done.stdout)
    lines = [line for line in lines if line["stage"] == (report["trained"][-1] if "trained" in report else report)["stage"]]
    return (lines[-1]["seconds"] - lines[0]["seconds"]) / (len(lines) - 1), report, len(lines)


def spread(values):
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flextron", required=True)
    parser.add_argument("--shape", choices=SHAPES, default="llama")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--elastic-steps", type=int, default=12)
    parser.add_argument("--sub-networks", type=int, default=4)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    folder, tokenizer = SHAPES[options.shape]
    config = json.loads((DATA / folder / "config.json").read_text())
    length = config.get("max_position_embeddings") or config["n_positions"]
    a_step = options.batch * length
    common = ["--data", CORPUS, "--batch", options.batch, "--threads", options.threads, "--validation-sequences", 1]
    ours, theirs, ratios, elastic = [], [], [], []
    with tempfile.TemporaryDirectory() as temporary:
        for pair in range(options.pairs):
            base = Path(temporary) / f"base{pair}"
            theirs.append(pytorch_rate(config, options.batch, length, options.steps))
            seconds, report, steps = flextron(
                options.flextron, "train", base, "--config", DATA / folder / "config.json", "--tokenizer",
                DATA / folder / tokenizer, "--tokens", options.steps * a_step, *common)
            ours.append(a_step / seconds)
            ratios.append(ours[-1] / theirs[-1])
            a_flop = seconds / (report["training_flops"] / steps)
            seconds, report, steps = flextron(
                options.flextron, "convert", Path(temporary) / f"elastic{pair}", base, "--stages", "elastic",
                "--elastic-tokens", options.elastic_steps * a_step, "--sub-networks", options.sub_networks,
                "--distill-base", 0, *common)
            elastic.append(seconds / (report["trained"][-1]["training_flops"] / steps) / a_flop)
            print(f"pair {pair + 1}: PyTorch {theirs[-1]:.0f} tokens/s, ours {ours[-1]:.0f}, ratio {ratios[-1]:.3f}; "
                  f"elastic step over its FLOP shares {elastic[-1]:.3f}", flush=True)
    print(f"{options.shape}, batch {options.batch} x {length}, {options.threads} threads, PyTorch {torch.__version__}")
    print(f"tokens a second, ours over PyTorch: {spread(ratios)}")
    print(f"elastic step of {options.sub_networks} sub-networks over the sum of its FLOP shares: {spread(elastic)}")


main()
