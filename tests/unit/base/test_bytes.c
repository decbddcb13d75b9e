/* test_bytes.c */
#include "tests/unit/base/vectors.h"

#include <string.h>

#include "common/base/bytes.h"
#include "common/base/err.h"

static void what_is_written_is_read_back(void **state)
{
    uint8_t buffer[64];
    struct bytes_writer writer = bytes_writer_of(buffer, sizeof buffer);
    bytes_put_u8(&writer, 0x12);
    bytes_put_u16(&writer, 0x3456);
    bytes_put_u32(&writer, 0x789abcde);
    bytes_put_u64(&writer, UINT64_C(0xfedcba9876543210));
    bytes_put_sized(&writer, span_text("abc"));
    bytes_put(&writer, "xy", 2);
    assert_false(writer.failed);
    static const uint8_t expected[] = "\x12\x34\x56\x78\x9a\xbc\xde\xfe\xdc\xba\x98\x76\x54\x32\x10\0\0\0\x03"
                                      "abcxy";
    vectors_assert_equal("bytes", bytes_written(&writer), span_of(expected, sizeof expected - 1));

    struct bytes_reader reader = bytes_reader_of(bytes_written(&writer));
    assert_int_equal(bytes_get_u8(&reader), 0x12);
    assert_int_equal(bytes_get_u16(&reader), 0x3456);
    assert_int_equal(bytes_get_u32(&reader), 0x789abcde);
    assert_true(bytes_get_u64(&reader) == UINT64_C(0xfedcba9876543210));
    assert_true(span_equal(bytes_get_span(&reader, bytes_get_u32(&reader)), span_text("abc")));
    assert_int_equal(bytes_left(&reader), 2);
    assert_int_equal(bytes_reader_end(&reader), ERR_MALFORMED);
    char text[2];
    bytes_get_copy(&reader, text, sizeof text);
    assert_memory_equal(text, "xy", 2);
    assert_int_equal(bytes_reader_end(&reader), 0);
}

static void a_failed_reader_stays_failed_and_gives_zeros(void **state)
{
    const uint8_t data[] = {1, 2, 3, 4, 5};
    struct bytes_reader reader = bytes_reader_of(span_of(data, sizeof data));
    assert_int_equal(bytes_get_u8(&reader), 1);
    assert_int_equal(bytes_get_u64(&reader), 0);
    assert_true(reader.failed);
    assert_int_equal(bytes_get_u8(&reader), 0);
    assert_int_equal(bytes_get_u16(&reader), 0);
    assert_int_equal(bytes_get_u32(&reader), 0);
    struct span span = bytes_get_span(&reader, 1);
    assert_true(span.data == NULL && span.size == 0);
    uint8_t copy[2] = {9, 9};
    bytes_get_copy(&reader, copy, sizeof copy);
    assert_int_equal(copy[0] | copy[1], 0);
    assert_int_equal(bytes_reader_end(&reader), ERR_MALFORMED);
}

static void no_length_reads_past_the_end(void **state)
{
    const uint8_t data[4] = {0};
    for (size_t shorter = 0; shorter < sizeof data; shorter++) {
        struct bytes_reader reader = bytes_reader_of(span_of(data, shorter));
        bytes_get_u32(&reader);
        assert_true(reader.failed);
    }
    struct bytes_reader reader = bytes_reader_of(span_of(data, sizeof data));
    bytes_get_u8(&reader);
    bytes_get_span(&reader, SIZE_MAX);
    assert_true(reader.failed);
}

static void nothing_can_be_read_from_nothing(void **state)
{
    struct bytes_reader reader = bytes_reader_of((struct span){0});
    assert_int_equal(bytes_get_span(&reader, 0).size, 0);
    assert_int_equal(bytes_reader_end(&reader), 0);
    bytes_get_u8(&reader);
    assert_int_equal(bytes_reader_end(&reader), ERR_MALFORMED);
}

static void a_full_writer_fails_writes_nothing_more_and_stays_failed(void **state)
{
    uint8_t buffer[6] = {0};
    struct bytes_writer writer = bytes_writer_of(buffer, 5);
    bytes_put_u32(&writer, 1);
    bytes_put_u16(&writer, 0xffff);
    assert_true(writer.failed);
    assert_int_equal(writer.size, 4);
    assert_int_equal(buffer[4] | buffer[5], 0);
    bytes_put_u8(&writer, 0xff);
    assert_int_equal(buffer[4], 0);
    assert_true(writer.failed);
}

static void a_writer_without_memory_counts(void **state)
{
    struct bytes_writer writer = bytes_writer_of(NULL, 0);
    bytes_put_u64(&writer, 1);
    bytes_put_sized(&writer, span_text("abc"));
    bytes_put(&writer, NULL, 0);
    assert_false(writer.failed);
    assert_int_equal(writer.size, 15);
}

static void a_length_above_32_bits_is_refused(void **state)
{
    struct bytes_writer writer = bytes_writer_of(NULL, 0);
    bytes_put_sized(&writer, span_of("", (size_t)UINT32_MAX + 1));
    assert_true(writer.failed);
    assert_int_equal(writer.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_failed_reader_stays_failed_and_gives_zeros),
        cmocka_unit_test(no_length_reads_past_the_end),
        cmocka_unit_test(nothing_can_be_read_from_nothing),
        cmocka_unit_test(a_full_writer_fails_writes_nothing_more_and_stays_failed),
        cmocka_unit_test(a_writer_without_memory_counts),
        cmocka_unit_test(a_length_above_32_bits_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
