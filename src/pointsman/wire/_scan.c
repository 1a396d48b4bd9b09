/* The two looks that every request pays for, in C: at its body, and at the head of its answer. scan.py says what they
 * answer, scan_pure.py is the same in Python, and tests/fuzz holds the two together. Nothing else belongs here.
 *
 * Both say None wherever anything is unusual; then the careful Python way looks again, and it alone words errors. So
 * the one thing that must hold: what is taken here is taken there, with the same result.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

typedef unsigned char byte;

/* A tuple of these, which it takes over; NULL where one is. Py_BuildValue would read a format each time. */
static PyObject *five(PyObject *a, PyObject *b, PyObject *c, PyObject *d, PyObject *e) {
    PyObject *all = a && b && c && d && e ? PyTuple_Pack(5, a, b, c, d, e) : NULL;
    Py_XDECREF(a), Py_XDECREF(b), Py_XDECREF(c), Py_XDECREF(d), Py_XDECREF(e);
    return all;
}

/* ---- a request's body ---- */

enum { MAX_DEPTH = 255, MAX_KEYS = 64, MAX_WORDS = 24 };
#define NULLS ((uint32_t)1 << 30)

/* What is known so far. words: looked for behind quotation marks; first: by a word's first byte, the bits of those that
 * begin so. escaped: the string read last had an escape. keys: of the top level. */
typedef struct {
    const byte *end, *model, *model_end;
    int stream, keys, escaped;
    uint32_t found, first[256];
    const byte *word[MAX_WORDS], *key[MAX_KEYS];
    Py_ssize_t word_size[MAX_WORDS], key_size[MAX_KEYS];
} Look;

/* p: behind a quotation mark. */
static inline void mark(Look *look, const byte *p) {
    for (uint32_t bits = p < look->end ? look->first[*p] : 0; bits; bits &= bits - 1) {
        int i = __builtin_ctz(bits);
        Py_ssize_t size = look->word_size[i];
        if (look->end - p < size || p[size - 1] != look->word[i][size - 1]) continue; /* as nearly all */
        if (!memcmp(p, look->word[i], (size_t)size)) look->found |= (uint32_t)1 << i;
    }
}

#if defined(__SSE2__)
#define EACH64 _Pragma("GCC unroll 4") for (int i = 0; i < 64; i += 16)
#define AT(p) _mm_loadu_si128((const __m128i *)(p))
#define IS_BYTE(x, c) _mm_cmpeq_epi8(x, _mm_set1_epi8(c))
#define OR(a, b) _mm_or_si128(a, b)
#define IS_LOW(x) IS_BYTE(_mm_max_epu8(x, _mm_set1_epi8(0x1f)), 0x1f)
#define BITS(x) ((uint64_t)(uint32_t)_mm_movemask_epi8(x) << i)
#else /* eight bytes in a number, the first the lowest; of each that is meant its highest bit */
#define EACH64 for (int i = 0; i < 64; i += 8)
#define AT(p) number(p)
#define SAME(c) (0x0101010101010101u * (uint64_t)(c))
#define ZERO(x) (~((((x) & SAME(0x7f)) + SAME(0x7f)) | (x) | SAME(0x7f)))
#define IS_BYTE(x, c) ZERO((x) ^ SAME(c))
#define OR(a, b) ((a) | (b))
#define IS_LOW(x) ZERO((x) & SAME(0xe0))
#define BITS(x) ((((x) >> 7) * 0x0102040810204080u >> 56) << i)
static inline uint64_t number(const byte *p) {
    uint64_t x;
    memcpy(&x, p, 8);
    return __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? __builtin_bswap64(x) : x;
}
#endif
/* Bits of those of 64 bytes, each the x of the test, of which it is true. */
#define WHERE(p, test) ({ uint64_t all = 0; EACH64 { __auto_type x = AT(p + i); all |= BITS(test); } all; })

/* The four hexadecimal digits at p, -1 where they are none. */
static int hex4(const byte *p) {
    int value = 0;
    for (int i = 0; i < 4; i++) {
        int c = p[i] | 0x20, digit = p[i] >= '0' && p[i] <= '9' ? p[i] - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* p: at the backslash. Behind the escape, or NULL where it is none; a surrogate counts with its other half only. */
static const byte *escape(const byte *p, const byte *end) {
    if (end - p >= 2 && p[1] != 'u') return memchr("\"\\/bfnrt", p[1], 8) == NULL ? NULL : p + 2;
    int value = end - p < 6 ? -1 : hex4(p + 2);
    if (value < 0xd800 || value > 0xdfff) return value < 0 ? NULL : p + 6;
    int other = value > 0xdbff || end - p < 12 || p[6] != '\\' || p[7] != 'u' ? -1 : hex4(p + 8);
    return other >= 0xdc00 && other <= 0xdfff ? p + 12 : NULL;
}

/* p: behind the opening quote. At the closing one, or NULL. 64 bytes at a time, as bits: code has an escape every few
 * letters, and a branch for each would be guessed wrong. carry: the last byte was a backslash that begins an escape. */
static inline const byte *string_end(Look *look, const byte *p) {
    const byte *end = look->end, *known = p; /* behind the last unusual escape */
    uint64_t odd = 0xaaaaaaaaaaaaaaaa, carry = 0;
    byte tail[64];
    look->escaped = 0;
    mark(look, p);
    for (; p < end; p += 64) { /* at: those 64, with spaces where there are fewer */
        const byte *at = end - p < 64 ? memcpy(memset(tail, ' ', 64), p, (size_t)(end - p)) : p;
        uint64_t stop = WHERE(at, OR(OR(IS_BYTE(x, '"'), IS_BYTE(x, '\\')), IS_LOW(x)));
        if (!(stop | carry)) continue;
        uint64_t slashes = WHERE(at, IS_BYTE(x, '\\')), quotes = WHERE(at, IS_BYTE(x, '"'));
        /* Of a run of backslashes every other one begins an escape: one subtraction borrows through all runs at once. */
        uint64_t begin = slashes & ~carry, ends = (((begin << 1) | odd) - begin) ^ odd, escaped = ends ^ (slashes | carry);
        carry = (ends & begin) >> 63;
        stop &= ~(slashes | (escaped & quotes));
        if (escaped &= (stop - 1) & ~stop) {
            look->escaped = 1;
            for (uint64_t bits = escaped & quotes; bits; bits &= bits - 1) mark(look, p + __builtin_ctzll(bits) + 1);
            uint64_t usual = quotes | slashes | WHERE(at, OR(IS_BYTE(x, 'n'), IS_BYTE(x, 't')));
            for (uint64_t bits = escaped & ~usual; bits; bits &= bits - 1) {
                const byte *slash = p + __builtin_ctzll(bits) - 1;
                if (slash >= known && (known = escape(slash, end)) == NULL) return NULL;
            }
        }
        if (stop) return at[__builtin_ctzll(stop)] == '"' ? p + __builtin_ctzll(stop) : NULL;
    }
    return NULL;
}

/* Behind the digits at p, NULL where there is none. */
static const byte *digits(const byte *p, const byte *end) {
    const byte *begin = p;
    while (p < end && *p >= '0' && *p <= '9') p++;
    return p == begin ? NULL : p;
}

static const byte *number_end(const byte *p, const byte *end) {
    if (p < end && *p == '-') p++;
    p = p < end && *p == '0' ? p + 1 : digits(p, end);
    if (p != NULL && p < end && *p == '.') p = digits(p + 1, end);
    if (p == NULL || p >= end || (*p | 0x20) != 'e') return p;
    return digits(p + (end - p > 1 && (p[1] == '+' || p[1] == '-') ? 2 : 1), end);
}

static inline const byte *space(const byte *p, const byte *end) {
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

static inline int says(const byte *p, const byte *end, const char *word, Py_ssize_t size) {
    return end - p >= size && !memcmp(p, word, (size_t)size);
}

/* A top-level key of that size at name, its value at p. Behind the value where it has been read here, p where it is to be
 * read like all values, NULL where the key is odd or has been there, or the value is odd. */
static const byte *member(Look *look, const byte *name, Py_ssize_t size, const byte *p) {
    const byte *end = look->end;
    if (look->escaped || look->keys == MAX_KEYS) return NULL;
    for (Py_ssize_t i = 0; i < size; i++)
        if (name[i] >= 0x80) return NULL;
    for (int i = 0; i < look->keys; i++)
        if (look->key_size[i] == size && !memcmp(look->key[i], name, (size_t)size)) return NULL;
    look->key[look->keys] = name;
    look->key_size[look->keys++] = size;
    int null = says(p, end, "null", 4);
    if (null) look->found |= NULLS;
    if (size == 5 && !memcmp(name, "model", 5)) {
        if (p >= end || *p != '"') return NULL;
        look->model = p;
        p = string_end(look, p + 1);
        return p == NULL || look->escaped || p == look->model + 1 ? NULL : (look->model_end = p + 1);
    }
    if (size == 6 && !memcmp(name, "stream", 6) && !null) {
        look->stream = says(p, end, "true", 4) ? 1 : says(p, end, "false", 5) ? 0 : -1;
        if (look->stream < 0) return NULL;
    }
    return p;
}

/* Reads the whole object. 0 where it is none, or odd. */
static int read_object(Look *look, const byte *start, long limit) {
    const byte *end = look->end, *p = space(start, end);
    uint64_t objects[(MAX_DEPTH + 64) / 64] = {2}; /* by depth: is it an object? */
    int depth = 1;
    if (p >= end || *p != '{' || limit < 1) return 0;
    p = space(p + 1, end); /* "{}" has no model, and fails for want of a key */
key: /* at what must be a key of the innermost object */
    if (p >= end || *p != '"') return 0;
    const byte *name = p + 1;
    if ((p = string_end(look, name)) == NULL) return 0;
    Py_ssize_t size = p - name;
    p = space(p + 1, end);
    if (p >= end || *p != ':') return 0;
    const byte *at = p = space(p + 1, end);
    if (depth == 1 && (p = member(look, name, size, at)) == NULL) return 0;
    if (p != at) goto after;
value:
    if (p >= end) return 0;
    switch (*p) {
    case '"': if ((p = string_end(look, p + 1)) == NULL) return 0; p++; break;
    case '{': case '[': {
        int object = *p == '{';
        if (++depth > limit) return 0;
        objects[depth >> 6] &= ~((uint64_t)1 << (depth & 63));
        objects[depth >> 6] |= (uint64_t)object << (depth & 63);
        p = space(p + 1, end);
        if (p < end && *p == (object ? '}' : ']')) { p++; depth--; break; }
        if (object) goto key;
        goto value;
    }
    case 't': if (!says(p, end, "true", 4)) return 0; p += 4; break;
    case 'n': if (!says(p, end, "null", 4)) return 0; p += 4; break;
    case 'f': if (!says(p, end, "false", 5)) return 0; p += 5; break;
    default: if ((p = number_end(p, end)) == NULL) return 0;
    }
after: /* a value is complete */
    for (;;) {
        p = space(p, end);
        if (p >= end) return 0;
        int object = (int)(objects[depth >> 6] >> (depth & 63) & 1);
        int more = *p == ',';
        if (!more && *p != (object ? '}' : ']')) return 0;
        p = more ? space(p + 1, end) : p + 1;
        if (more && object) goto key;
        if (more) goto value;
        if (--depth == 0) return space(p, end) == end && look->model != NULL;
    }
}

static PyObject *body_look(PyObject *self, PyObject *const *args, Py_ssize_t nargs) {
    if (nargs != 4 || !PyBytes_Check(args[0]) || !PyTuple_Check(args[3]) || PyTuple_GET_SIZE(args[3]) > MAX_WORDS)
        return PyErr_Format(PyExc_TypeError, "body_look(bytes, int, int, tuple of at most %d words)", MAX_WORDS);
    long limit = PyLong_AsLong(args[1]), longest = PyLong_AsLong(args[2]);
    Look look;
    if (PyErr_Occurred()) return NULL;
    memset(&look, 0, offsetof(Look, word));
    look.stream = -1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args[3]); i++) {
        PyObject *word = PyTuple_GET_ITEM(args[3], i);
        if (!PyBytes_Check(word) || !PyBytes_GET_SIZE(word)) return PyErr_Format(PyExc_TypeError, "a word is not bytes");
        look.word[i] = (const byte *)PyBytes_AS_STRING(word);
        look.word_size[i] = PyBytes_GET_SIZE(word);
        look.first[look.word[i][0]] |= (uint32_t)1 << i;
    }
    const byte *start = (const byte *)PyBytes_AS_STRING(args[0]);
    look.end = start + PyBytes_GET_SIZE(args[0]);
    if (!read_object(&look, start, limit > MAX_DEPTH ? MAX_DEPTH : limit)) Py_RETURN_NONE;
    PyObject *model = PyUnicode_DecodeUTF8((const char *)look.model + 1, look.model_end - look.model - 2, NULL);
    if (model == NULL && !PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) return NULL;
    if (model == NULL) PyErr_Clear();
    else if (PyUnicode_GET_LENGTH(model) > longest) Py_CLEAR(model);
    if (model == NULL) Py_RETURN_NONE;
    return five(model, look.stream < 0 ? Py_NewRef(Py_None) : PyBool_FromLong(look.stream),
                PyLong_FromSsize_t(look.model - start), PyLong_FromSsize_t(look.model_end - start),
                PyLong_FromUnsignedLong(look.found));
}

/* ---- an answer's head ---- */

enum { CHUNKED = 1, EVENTS = 2, CLOSES = 4, RETRY_SAID = 8 };
enum { MAX_HEAD = 8192, MAX_HEADERS = 100 };

/* Lower case of a character of a header's name (RFC 9110 section 5.6.2: token), 0 for all others. */
static inline byte token(byte c) {
    if ((c >= 'a' && c <= 'z') || c == '-' || (c >= '0' && c <= '9')) return c;
    if (c >= 'A' && c <= 'Z') return c | 0x20;
    return c && strchr("!#$%&'*+.^_`|~", c) ? c : 0;
}
static byte lower[256], plain[256]; /* token() of each byte; and whether a value may have it */

/* out: room for all lines: each is its line of the head, at most one space longer. */
typedef struct {
    byte *o, *buffering, *buffering_end;
    const byte *id;
    Py_ssize_t id_size;
    long long length;
    int flags, cached;
    byte out[MAX_HEAD + 2 * MAX_HEADERS + 128];
} Head;

#define IS(word) (size == sizeof(word) - 1 && !memcmp(name, word, sizeof(word) - 1))
#define BEGINS(word) (size >= (Py_ssize_t)sizeof(word) - 1 && !memcmp(name, word, sizeof(word) - 1))

/* Does the value begin with this (lower case, no control characters), whatever its case? exact: and is it that? */
static int reads(const byte *v, Py_ssize_t size, const char *word, int exact) {
    Py_ssize_t i = 0;
    while (word[i] && i < size && (v[i] >= 'A' && v[i] <= 'Z' ? v[i] | 0x20 : v[i]) == word[i]) i++;
    return !word[i] && (!exact || i == size);
}

enum { ODD, SHOW, HIDE };

/* What one header means. name: in lower case, behind it ": " and the value v, all of it in out already. */
static int meaning(Head *h, const byte *name, Py_ssize_t size, const byte *v, Py_ssize_t n) {
    switch (name[0]) {
    case 'a': return IS("alt-svc") || BEGINS("access-control-") ? HIDE : SHOW;
    case 'c':
        if (IS("content-type")) {
            if (reads(v, n, "text/event-stream", 0)) h->flags |= EVENTS;
            return reads(v, n, "application/x-ndjson", 0) ? ODD : SHOW;
        }
        if (IS("content-length")) {
            if (h->length >= 0 || n > 15 || digits(v, v + n) != v + n) return ODD;
            h->length = 0;
            for (Py_ssize_t i = 0; i < n; i++) h->length = h->length * 10 + (v[i] - '0');
            return HIDE;
        }
        if (IS("connection")) {
            int closes = reads(v, n, "close", 1);
            h->flags |= closes ? CLOSES : 0;
            return closes || reads(v, n, "keep-alive", 1) ? HIDE : ODD;
        }
        if (IS("content-encoding")) return reads(v, n, "identity", 1) ? SHOW : ODD;
        if (IS("cache-control")) h->cached = 1;
        return IS("clear-site-data") ? HIDE : SHOW;
    case 'h': return IS("http2-settings") ? HIDE : SHOW;
    case 'k': return IS("keep-alive") ? HIDE : SHOW;
    case 'p': return IS("proxy-connection") ? ODD : IS("proxy-authenticate") || IS("public-key-pins") ? HIDE : SHOW;
    case 'r': case 'x':
        if (IS("request-id") || IS("x-request-id")) {
            if (h->id == NULL) { h->id = v; h->id_size = n; }
            return n == 0 ? ODD : HIDE;
        }
        if (IS("x-should-retry")) h->flags |= RETRY_SAID;
        if (IS("x-accel-buffering") && h->buffering != NULL) return ODD;
        if (IS("x-accel-buffering")) h->buffering = h->o;
        return BEGINS("x-pointsman-") ? HIDE : SHOW;
    case 's': return IS("set-cookie") || IS("set-cookie2") || IS("strict-transport-security") ? HIDE : SHOW;
    case 't':
        if (IS("transfer-encoding")) {
            int again = h->flags & CHUNKED;
            h->flags |= CHUNKED;
            return again || !reads(v, n, "chunked", 1) ? ODD : HIDE;
        }
        return IS("te") || IS("trailer") ? HIDE : SHOW;
    case 'u': return IS("upgrade") ? ODD : SHOW;
    }
    return SHOW;
}

/* p: at a header's line. Behind it, its line in out where it may be seen, or NULL where it is odd. */
static const byte *header(Head *h, const byte *p, const byte *end) {
    byte *o = h->o, c;
    for (; (c = lower[*p]) != 0 && p < end; p++) *o++ = c;
    Py_ssize_t size = o - h->o;
    if (size == 0 || p >= end || *p != ':') return NULL;
    for (p++; p < end && (*p == ' ' || *p == '\t'); p++);
    memcpy(o, ": ", 2), o += 2;
    const byte *v = p;
    while (plain[*p]) p++; /* what is behind the last byte of a bytes object is 0 */
    if (end - p < 2 || p[0] != '\r' || p[1] != '\n') return NULL;
    if (p > v && (p[-1] == ' ' || p[-1] == '\t')) return NULL;
    memcpy(o, v, (size_t)(p + 2 - v)), o += p - v;
    int found = meaning(h, h->o, size, v, p - v);
    if (h->buffering == h->o) h->buffering_end = o + 2;
    if (found == SHOW) h->o = o + 2;
    return found == ODD ? NULL : p + 2;
}

static void say(Head *h, const void *text, Py_ssize_t size) {
    memcpy(h->o, text, (size_t)size);
    h->o += size;
}
#define SAY(text) say(&h, text, sizeof(text) - 1)

static PyObject *answer_head(PyObject *self, PyObject *arg) {
    if (!PyBytes_Check(arg)) return PyErr_Format(PyExc_TypeError, "answer_head(bytes)");
    const byte *start = (const byte *)PyBytes_AS_STRING(arg), *end = start + PyBytes_GET_SIZE(arg), *p = start + 9;
    if (end - start > MAX_HEAD) end = start + MAX_HEAD;
    if (end - start < 19 || memcmp(start, "HTTP/1.1 ", 9)) Py_RETURN_NONE;
    int status = 0;
    for (; p < start + 12 && *p >= '0' && *p <= '9'; p++) status = status * 10 + (*p - '0');
    if (p != start + 12 || status < 200 || status == 204 || status == 304 || *p != ' ') Py_RETURN_NONE;
    while (p < end && *p >= 0x20 && *p != 0x7f) p++;
    if (end - p < 2 || p[0] != '\r' || p[1] != '\n') Py_RETURN_NONE;
    p += 2;
    Head h;
    memset(&h, 0, offsetof(Head, out));
    h.o = h.out, h.length = -1;
    for (int count = 0; !(end - p >= 2 && p[0] == '\r' && p[1] == '\n'); count++)
        if (count == MAX_HEADERS || (p = header(&h, p, end)) == NULL) Py_RETURN_NONE;
    p += 2;
    if ((h.length >= 0) == ((h.flags & CHUNKED) != 0)) Py_RETURN_NONE; /* both, or neither: until the connection ends */
    if (h.flags & EVENTS && h.buffering != NULL) {
        memmove(h.buffering, h.buffering_end, (size_t)(h.o - h.buffering_end));
        h.o -= h.buffering_end - h.buffering;
    }
    if (h.id != NULL) SAY("x-upstream-request-id: "), say(&h, h.id, h.id_size), SAY("\r\n");
    if (h.flags & EVENTS) SAY("x-accel-buffering: no\r\n");
    if (h.flags & EVENTS && !h.cached) SAY("cache-control: no-cache\r\n");
    return five(PyLong_FromLong(status), PyLong_FromSsize_t(p - start), PyLong_FromLongLong(h.length),
                PyLong_FromLong(h.flags), PyBytes_FromStringAndSize((char *)h.out, h.o - h.out));
}

static PyMethodDef methods[] = {
    {"body_look", (PyCFunction)(void (*)(void))body_look, METH_FASTCALL, "See scan.py."},
    {"answer_head", answer_head, METH_O, "See scan.py."},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_scan", NULL, 0, methods, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit__scan(void) {
    for (int c = 0; c < 256; c++) lower[c] = token((byte)c), plain[c] = (c >= 0x20 && c != 0x7f) || c == '\t';
    return PyModule_Create(&module);
}
