"""NumPy's scalar functions that Python's operators don't give, as source for generated modules.

Each follows the definition in NumPy (``npy_math``, ``loops_arithmetic``): the signs of zeros and
remainders, division by zero and overflow included.  A module holds those that it names.
"""

from __future__ import annotations

import re

__all__ = ["FUNCTIONS", "OUTSIDE", "needed"]

OUTSIDE = "an index that the step computes is out of bounds"
"""What `wrapped_index` says; compiled code can't name the index."""

FUNCTIONS: dict[str, str] = {
    "float_remainder": """
def float_remainder(a, b):
    rest = np.fmod(a, b)
    if b == 0.0:
        return rest
    if rest == 0.0:
        return math.copysign(0.0, b)
    if (b < 0.0) != (rest < 0.0):
        return rest + b
    return rest
""",
    "float_floor_divide": """
def float_floor_divide(a, b):
    if b == 0.0:
        return a / b
    rest = np.fmod(a, b)
    ratio = (a - rest) / b
    if rest != 0.0 and (b < 0.0) != (rest < 0.0):
        ratio = ratio - 1.0
    if ratio == 0.0:
        return math.copysign(0.0, a / b)
    whole = np.floor(ratio)
    if ratio - whole > 0.5:
        whole = whole + 1.0
    return whole
""",
    "integer_floor_divide": """
def integer_floor_divide(a, b, zero):
    if b == zero:
        return zero
    if b == ~zero and b < zero:
        return -a  # the least number divided by -1 overflows to itself
    return a // b
""",
    "integer_remainder": """
def integer_remainder(a, b, zero):
    if b == zero or (b == ~zero and b < zero):
        return zero
    return a % b
""",
    "integer_fmod": """
def integer_fmod(a, b, zero):
    if b == zero or (b == ~zero and b < zero):
        return zero
    rest = a % b
    if rest != zero and (a < zero) != (b < zero):
        return rest - b
    return rest
""",
    "left_shifted": """
def left_shifted(a, b, bits, zero):
    if b < zero or b >= bits:
        return zero
    return a << b
""",
    "right_shifted": """
def right_shifted(a, b, bits, zero):
    if b < zero or b >= bits:
        return ~zero if a < zero else zero
    return a >> b
""",
    "integer_power": """
def integer_power(a, b, one):
    found = one
    while b > 0:
        if b & 1:
            found = found * a
        b >>= 1
        a = a * a
    return found
""",
    "complex_divide": """
def complex_divide(a, b, one):
    # R. L. Smith, Algorithm 116, Comm. ACM 5 (1962), as NumPy divides.
    if abs(b.real) >= abs(b.imag):
        if b.real == 0.0 and b.imag == 0.0:
            return complex(a.real / abs(b.real), a.imag / abs(b.real))
        ratio = b.imag / b.real
        scale = one / (b.real + b.imag * ratio)
        return complex((a.real + a.imag * ratio) * scale, (a.imag - a.real * ratio) * scale)
    ratio = b.real / b.imag
    scale = one / (b.imag + b.real * ratio)
    return complex((a.real * ratio + a.imag) * scale, (a.imag * ratio - a.real) * scale)
""",
    "complex_reciprocal": """
def complex_reciprocal(b, one):
    if abs(b.imag) <= abs(b.real):
        ratio = b.imag / b.real
        scale = b.real + b.imag * ratio
        return complex(one / scale, -ratio / scale)
    ratio = b.real / b.imag
    scale = b.real * ratio + b.imag
    return complex(ratio / scale, -one / scale)
""",
    "complex_exp": """
def complex_exp(a):
    if a.imag == 0.0:
        return complex(np.exp(a.real), a.imag)
    return np.exp(a)
""",
    "wrapped_index": f"""
def wrapped_index(i, n):
    if i < 0:
        i += n
    if i < 0 or i >= n:
        raise IndexError("{OUTSIDE}")
    return i
""",
}


def needed(source: str) -> str:
    """Return the functions that a source calls, to stand before it."""
    found = [
        f"@kernel{text}" for name, text in FUNCTIONS.items() if re.search(rf"\b{name}\(", source)
    ]
    return "\n\n".join([*found, ""]) if found else ""
