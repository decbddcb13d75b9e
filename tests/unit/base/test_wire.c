/* test_wire.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/base/err.h"
#include "common/base/wire.h"

static void varints_are_written_and_read_back(void **state)
{
    static const uint64_t values[] = {1, 127, 128, 300, 16383, 16384, UINT32_MAX, UINT64_MAX / 2, UINT64_MAX};
    static const size_t sizes[] = {1, 1, 2, 2, 2, 3, 5, 9, 10};
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        uint8_t data[16];
        struct bytes_writer writer = bytes_writer_of(data, sizeof data);
        wire_put_number(&writer, 3, values[i]);
        assert_int_equal(writer.size, 1 + sizes[i]);
        assert_int_equal(wire_varint_size(values[i]), sizes[i]);
        struct bytes_reader reader = bytes_reader_of(bytes_written(&writer));
        struct wire_field field;
        assert_true(wire_next(&reader, &field));
        assert_int_equal(field.number, 3);
        assert_int_equal(field.type, WIRE_VARINT);
        assert_true(field.value == values[i]);
        assert_false(wire_next(&reader, &field));
        assert_false(reader.failed);
    }
}

static void zero_and_empty_are_left_out_but_as_an_item(void **state)
{
    uint8_t data[16];
    struct bytes_writer writer = bytes_writer_of(data, sizeof data);
    wire_put_number(&writer, 1, 0);
    wire_put_bytes(&writer, 2, (struct span){0});
    assert_int_equal(writer.size, 0);
    wire_put_item(&writer, 2, (struct span){0});
    static const uint8_t expected[] = {0x12, 0};
    assert_int_equal(writer.size, sizeof expected);
    assert_memory_equal(data, expected, sizeof expected);
}

static void fixed_widths_are_little_endian_and_bits_above_the_64th_are_dropped(void **state)
{
    static const struct {
        uint8_t bytes[12];
        size_t size;
        enum wire_type type;
        uint64_t value;
    } cases[] = {
        {{0x0d, 1, 2, 3, 4}, 5, WIRE_FIXED32, 0x04030201},
        {{0x09, 1, 2, 3, 4, 5, 6, 7, 8}, 9, WIRE_FIXED64, 0x0807060504030201},
        {{0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x03}, 11, WIRE_VARINT, UINT64_MAX},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct bytes_reader reader = bytes_reader_of(span_of(cases[i].bytes, cases[i].size));
        struct wire_field field;
        assert_true(wire_next(&reader, &field));
        assert_int_equal(field.type, cases[i].type);
        assert_true(field.value == cases[i].value);
        assert_int_equal(field.bytes.size, 0);
    }
}

static void frames_have_a_version_and_a_body(void **state)
{
    static const struct {
        uint8_t bytes[8];
        size_t size;
        int rc;
    } cases[] = {
        {{0x08, 1, 0x12, 1, 'a'}, 5, 0},
        {{0x08, 2, 0x12, 1, 'a'}, 5, ERR_VERSION},
        {{0x12, 1, 'a'}, 3, ERR_VERSION},             /* none is version 0 */
        {{0x0a, 1, 1, 0x12, 1, 'a'}, 6, ERR_VERSION}, /* a version of another type */
        {{0x08, 1}, 2, ERR_MALFORMED},                /* no body */
        {{0x08, 1, 0x12, 2, 'a'}, 5, ERR_MALFORMED},  /* cut */
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        uint32_t field = 0;
        struct span body = {0};
        assert_int_equal(wire_frame_open(span_of(cases[i].bytes, cases[i].size), &field, &body), cases[i].rc);
        assert_int_equal(field, cases[i].rc == 0 ? 2 : 0);
        assert_int_equal(body.size, cases[i].rc == 0 ? 1 : 0);
    }
}

static void malformed_bytes_end_the_reading(void **state)
{
    static const struct {
        uint8_t bytes[12];
        size_t size;
    } cases[] = {
        {{0x08}, 1},                                                                    /* no value */
        {{0x08, 0x80}, 2},                                                              /* cut in a varint */
        {{0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}, 12}, /* eleven bytes */
        {{0x12, 2, 'a'}, 3},                                                            /* longer than what is there */
        {{0x02, 0}, 2},                                                                 /* field 0 */
        {{0x0d, 1, 2, 3}, 4},                                                           /* cut in a fixed32 */
        {{0x0b}, 1},                                                                    /* a group */
        {{0xff, 0xff, 0xff, 0xff, 0x7f, 0}, 6},                                         /* a field number too large */
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct bytes_reader reader = bytes_reader_of(span_of(cases[i].bytes, cases[i].size));
        struct wire_field field;
        assert_false(wire_next(&reader, &field));
        assert_true(reader.failed);
        assert_false(wire_next(&reader, &field));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(varints_are_written_and_read_back),
        cmocka_unit_test(zero_and_empty_are_left_out_but_as_an_item),
        cmocka_unit_test(fixed_widths_are_little_endian_and_bits_above_the_64th_are_dropped),
        cmocka_unit_test(frames_have_a_version_and_a_body),
        cmocka_unit_test(malformed_bytes_end_the_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
