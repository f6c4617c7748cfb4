"""Box-Muller pairs of float32 in CUDA C, with the bits of the CPU's kernels, which call the C library.

There are 2^23 arguments of the logarithm, and of the sine and the cosine. The polynomials here are own fits whose
values, computed in float64, round to glibc's float for each of these (tools/fit-normal). They stay clear of where
rounding would differ by some 10^-14 relative, fifty times what float64 itself rounds off. All is additions and
multiplications that every card rounds as IEEE 754 says, none of them fused (--fmad=false): the bits follow.
"""
import math

# Per sixteenth of [0.699, 1.398): the point around which log(z) is expanded, and coefficients of 1, t, t^2, t^3, t^4
_LOG = (
    (0.71484375, -0.33569129163829586, 1.3989071038243646,
     -0.9784700399411171, 0.9128640480859147, -0.9608825684124817),
    (0.74609375, -0.29290401643292613, 1.3403141362240247,
     -0.8982205531826671, 0.8028954440161248, -0.809613163969653),
    (0.77734375, -0.2518726197547925, 1.2864321607120075,
     -0.8274534356770757, 0.7099056419887628, -0.687154169599757),
    (0.80859375, -0.21245865121425825, 1.23671497580529,
     -0.7647315803909962, 0.6307374145154022, -0.5869080478616168),
    (0.83984375, -0.17453941635182546, 1.1906976744431566,
     -0.7088801249399759, 0.5629164745977387, -0.5042797744074041),
    (0.87109375, -0.1380056730195802, 1.147982062797257,
     -0.6589310768149557, 0.5044808984959994, -0.435741096511566),
    (0.90234375, -0.10275973395781685, 1.1082251082327539,
     -0.614081135101278, 0.45386155436169734, -0.37844632421250185),
    (0.93359375, -0.06871389254805194, 1.0711297071193782,
     -0.5736591358992095, 0.40979405471219005, -0.33026115135421835),
    (0.96484375, -0.035789107851669916, 1.0364372469703258,
     -0.5371008112236012, 0.37125169520514917, -0.2895158923260357),
    (1.0, 0.0, 1.0,
     -0.49999974792779445, 0.3334568078730538, -0.25089370952934714),
    (1.0546875, 0.05324451451937467, 0.9481481492255943,
     -0.4494918398173801, 0.2842231300933326, -0.20373912075849854),
    (1.1171875, 0.11081436634046357, 0.8951048950957662,
     -0.4006061857345025, 0.23914504315067964, -0.16105849852843185),
    (1.1796875, 0.1652495728956147, 0.8476821192086322,
     -0.35928230870700467, 0.2031134051184603, -0.12954382066326794),
    (1.2421875, 0.21687393830080334, 0.8050314465370705,
     -0.3240376521307658, 0.17397151758068918, -0.10537737937505595),
    (1.3046875, 0.2659635484969519, 0.7664670659298629,
     -0.2937357323789421, 0.15014807332925306, -0.08659110867585047),
    (1.3671875, 0.3127557100035786, 0.7314285713963633,
     -0.2674937388582738, 0.13048345913039625, -0.0718162670406922),
)
_SINE = (-0.16666654943687206, 0.00833217814507281, -0.00019517298819915992)               # of r^3, r^5, r^7
_COSINE = (-0.49999999725327354, 0.041666623348722266,
           -0.0013886764551677426, 2.439052219866095e-05)     # of r^2, r^4, r^6, r^8


def _table():
    return ",\n".join("  {" + ", ".join(map(repr, row)) + "}" for row in _LOG)


_FITTED = f"""
__device__ const double log_table[16][6] = {{
{_table()}
}};
/* log(u) for 1e-7 <= u < 1: u = 2^k z, and z lies in sixteenth number (i >> 19) % 16 */
__device__ inline float log_of(float u) {{
  const int32 i = (int32)bits_of(u) - 0x3f330000, k = i >> 23;
  const double* c = log_table[i >> 19 & 15];
  const double t = (double)float_of(bits_of(u) - ((uint32)k << 23)) - c[0];
  return (float)(k * 0.6931471805599453 + ((((c[5] * t + c[4]) * t + c[3]) * t + c[2]) * t + c[1]));
}}
/* sine and cosine of r for |r| <= pi/4 */
__device__ inline double sine_of(double r, double w) {{
  return r + r * w * (({_SINE[2]} * w + {_SINE[1]}) * w + {_SINE[0]});
}}
__device__ inline double cosine_of(double w) {{
  return 1.0 + w * ((({_COSINE[3]} * w + {_COSINE[2]}) * w + {_COSINE[1]}) * w + {_COSINE[0]});
}}
"""


def _series(coefficients):
    """Horner's form in w, the last coefficient first."""
    text = repr(coefficients[-1])
    for c in coefficients[-2::-1]:
        text = f"({text} * w + {c!r})"
    return text


def _reciprocals(first):
    """1 / first!, -1 / (first + 2)!, ... with their signs in a series of cosine or sine."""
    return [(-1) ** (k + 1) / math.factorial(first + 2 * k) for k in range(8)]


_ROUNDED = f"""
/* log(u), rounded once: 2 artanh((z - 1) / (z + 1)) for sqrt(1/2) <= z < sqrt(2) */
__device__ inline float log_of(float u) {{
  const int32 i = (int32)bits_of(u) - 0x3f3504f3, k = i >> 23;
  const double z = (double)float_of(bits_of(u) - ((uint32)k << 23)), s = (z - 1.0) / (z + 1.0), w = s * s;
  return (float)(k * 0.6931471805599453 + (2.0 * s) * {_series([1 / (2 * k + 1) for k in range(12)])});
}}
__device__ inline double sine_of(double r, double w) {{ return r + r * w * {_series(_reciprocals(3))}; }}
__device__ inline double cosine_of(double w) {{ return 1.0 + w * {_series(_reciprocals(2))}; }}
"""

_PAIRS = """
__device__ inline void normal_pair(uint32 first, uint32 second, float* y) {
  const float u = unit_f32(first), radius = sqrtf(-2.0f * log_of(u < 1e-7f ? 1e-7f : u));
  const double angle = (double)(float)(6.283185307179586 * (double)unit_f32(second));
  const int32 quarter = ((int32)(angle * 10680707.430881744) + 0x800000) >> 24;      /* angle / (pi/2), rounded */
  const double r = angle - quarter * 1.5707963267948966, w = r * r, sine = sine_of(r, w), cosine = cosine_of(w);
  const double a = quarter & 1 ? cosine : sine, b = quarter & 1 ? sine : cosine;
  y[0] = (float)(quarter & 2 ? -a : a) * radius;
  y[1] = (float)((quarter + 1) & 2 ? -b : b) * radius;
}
/* Up to four normals below two deviations, from blocks 256 group, 256 group + 1, ... */
__device__ inline void truncated_normals(stream s, uint64 group, uint64 left, float* y) {
  const int wanted = left < 4 ? (int)left : 4;
  int kept = 0;
  for (uint64 next = group * 256; kept < wanted; next++) {
    const words block = block_of(s, next);
    for (int k = 0; k < 4 && kept < wanted; k += 2) {
      float pair[2];
      normal_pair(block.w[k], block.w[k + 1], pair);
      if (fabsf(pair[0]) < 2.0f) y[kept++] = pair[0];
      if (fabsf(pair[1]) < 2.0f && kept < wanted) y[kept++] = pair[1];
    }
  }
}
"""

FITTED = _FITTED + _PAIRS        # the bits of glibc's logf and sincosf: the CPU's kernels
ROUNDED = _ROUNDED + _PAIRS      # functions rounded once from float64: the bodies of the stateless ops
