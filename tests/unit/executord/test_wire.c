/* test_wire.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "services/executord/wire.h"

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
        assert_int_equal(field.type, WIRE_TYPE_VARINT);
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

static void malformed_bytes_end_the_reading(void **state)
{
    static const struct {
        uint8_t bytes[12];
        size_t size;
    } cases[] = {
        {{0x08}, 1},                                                                    /* no value */
        {{0x08, 0x80}, 2},                                                              /* cut in a varint */
        {{0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}, 11},       /* above 64 bits */
        {{0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}, 12}, /* eleven bytes */
        {{0x12, 2, 'a'}, 3},                                                            /* longer than what is there */
        {{0x02, 0}, 2},                                                                 /* field 0 */
        {{0x0d, 1, 2, 3, 4}, 5},                                                        /* a fixed32 */
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
        cmocka_unit_test(malformed_bytes_end_the_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
