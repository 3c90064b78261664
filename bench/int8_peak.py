"""How many times as fast as eager PyTorch ResNet-50 in whole numbers of 8 bits can be on this processor.

    python -m bench int8_peak

A loop in C, compiled here, does nothing but the products of 8 bits that the engines use, from registers: in one
instruction with VNNI, in three without (products and sums of pairs in 16 bits, sums of pairs in 32, accumulation).
At that rate, with no memory to wait for and nothing else to do, an engine would be as fast as it can be that sums in 32
bits, as ONNX Runtime and OpenVINO do. It takes turns with eager PyTorch on ResNet-50, both on two processors.
"""

import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench.turns import Contestant, race

PEER, LOOP = "eager PyTorch", "products of 8 bits"
MACS = 4_089_184_256  # of ResNet-50 for a picture of 224×224: `striate shapes resnet50`
THREADS = 2
PICTURES = 8  # in a turn
ROUNDS = 150_000_000  # of the loop in a turn
SUMS = 6  # in the loop, which do not wait for each other
SOURCE = r"""
#include <immintrin.h>
#include <stdio.h>
#include <string.h>
#if defined(__AVX512VNNI__)
typedef __m512i vector;
#define SET _mm512_set1_epi8
#define STEP(sum, a, b, ones) _mm512_dpbusd_epi32(sum, a, b)
#elif defined(__AVXVNNI__)
typedef __m256i vector;
#define SET _mm256_set1_epi8
#define STEP(sum, a, b, ones) _mm256_dpbusd_avx_epi32(sum, a, b)
#elif defined(__AVX512BW__)
typedef __m512i vector;
#define SET _mm512_set1_epi8
#define STEP(sum, a, b, ones) \
    _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(a, b), ones))
#define ONES _mm512_set1_epi16(1)
#else
typedef __m256i vector;
#define SET _mm256_set1_epi8
#define STEP(sum, a, b, ones) \
    _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones))
#define ONES _mm256_set1_epi16(1)
#endif
#ifndef ONES
#define ONES SET(1) /* not used with VNNI */
#endif
#define EACH(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5)
#define BEGIN(n) vector sum##n = SET(0);
/* the compiler is told that a changes, else it would multiply once for all */
#define ADD(n) __asm__ volatile("" : "+v"(a)); sum##n = STEP(sum##n, a, b, ones);
#define KEEP(n) memcpy(&first, &sum##n, sizeof first); kept += first;
int main(void) {
    vector a = SET(3), b = SET(5), ones = ONES;
    unsigned first, kept = 0;
    EACH(BEGIN)
    for (long round = 0; round < ROUNDS; round++) { EACH(ADD) }
    EACH(KEEP)
    printf("%d %u\n", (int)sizeof(vector), kept);
    return 0;
}
"""


def eager(argument: str) -> Callable[[], int]:
    """ResNet-50 as everyone runs it, pixels ready."""
    from bench.peers import torchvision as load

    model = load().models.resnet50(weights=None).eval()
    import torch

    torch.set_num_threads(THREADS)
    pictures = torch.rand(PICTURES, 1, 3, 224, 224)

    def run() -> int:
        with torch.inference_mode():
            return sum(int(model(picture).argmax()) >= 0 for picture in pictures)

    return run


def products(argument: str) -> Callable[[], int]:
    """The loop, once on each processor at the same time; gives the multiply-adds of all."""

    def run() -> int:
        running = [subprocess.Popen([argument], stdout=subprocess.PIPE, text=True) for _ in range(THREADS)]
        told = [process.communicate()[0].split() for process in running]
        lanes, kept = (int(number) for number in told[0])
        if kept != SUMS * ROUNDS * 4 * 15 % 2**32:  # each lane sums four products of 3 and 5
            raise SystemExit(f"the loop found {kept}")
        return THREADS * ROUNDS * SUMS * lanes

    return run


def main(turns: int = 5) -> None:
    """Both by turns, and the bound."""
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        source, program = Path(place, "loop.c"), Path(place, "loop")
        source.write_text(SOURCE)
        words = ["cc", "-O3", "-march=native", f"-DROUNDS={ROUNDS}L", str(source), "-o", str(program)]
        subprocess.run(words, check=True)
        peer = stack.enter_context(Contestant(PEER, "bench.int8_peak:eager", ""))
        loop = stack.enter_context(Contestant(LOOP, "bench.int8_peak:products", str(program)))
        race([peer, loop], turns)
        rates = [loop.work / second / 1e9 for second in loop.seconds]
        took = [1e3 * second / PICTURES for second in peer.seconds]
        least = MACS / 1e6 / median(rates)
        print(f"{LOOP}: {median(rates):.0f} GMACs a second ({min(rates):.0f} … {max(rates):.0f}) on {THREADS} threads")
        print(f"ResNet-50, {MACS / 1e9:.2f} GMACs: {least:.1f} ms at least; {PEER} takes {median(took):.1f} ms")
        print(f"({min(took):.1f} … {max(took):.1f}): at most {median(took) / least:.1f} times as fast in whole numbers")
