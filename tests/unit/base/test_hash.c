/* test_hash.c */
#include "tests/unit/base/vectors.h"

#include "common/base/hex.h"

static void assert_hash(struct hash hash, const char *expected)
{
    char text[2 * HASH_BYTES + 1];
    hex_encode(text, hash.bytes, sizeof hash.bytes);
    assert_string_equal(text, expected);
}

/* hashlib.blake2b(data, digest_size=32) */
static void h_is_blake2b_with_a_digest_of_32_bytes(void **state)
{
    assert_hash(hash_of(span_text("")), "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
    assert_hash(hash_of(span_text("abc")), "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    assert_hash(hash_of((struct span){0}), "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
}

static void h_of_two_is_h_of_what_they_make_together(void **state)
{
    struct hash whole = hash_of(span_text("abcdef"));
    struct hash parts = hash_of2(span_text("ab"), span_text("cdef"));
    assert_true(hash_equal(&whole, &parts));
    parts = hash_of2(span_text("abcdef"), (struct span){0});
    assert_true(hash_equal(&whole, &parts));
}

/* FIPS 180-2, appendix B.1 */
static void sha256_is_the_standard_one(void **state)
{
    assert_hash(hash_sha256(span_text("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void hashes_are_compared_in_all_their_bytes(void **state)
{
    for (size_t i = 0; i < HASH_BYTES; i++) {
        struct hash a = {0}, b = {0};
        assert_true(hash_is_zero(&b));
        b.bytes[i] = 1;
        assert_false(hash_equal(&a, &b));
        assert_false(hash_is_zero(&b));
    }
}

static void the_table_key_is_the_first_eight_bytes(void **state)
{
    struct hash a = hash_of(span_text("a"));
    uint64_t key;
    memcpy(&key, a.bytes, sizeof key);
    assert_true(hash_table_key(&a) == key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(h_is_blake2b_with_a_digest_of_32_bytes),
        cmocka_unit_test(h_of_two_is_h_of_what_they_make_together),
        cmocka_unit_test(sha256_is_the_standard_one),
        cmocka_unit_test(hashes_are_compared_in_all_their_bytes),
        cmocka_unit_test(the_table_key_is_the_first_eight_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
