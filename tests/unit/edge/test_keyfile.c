/* test_keyfile.c - secret keys in files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/err.h"
#include "common/edge/keyfile.h"

#define DIGITS "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

struct story {
    char directory[32];
    char path[64];
    uint8_t key[KEYFILE_KEY_BYTES];
};

static int story_setup(void **state)
{
    static struct story s;
    memset(&s, 0, sizeof s);
    snprintf(s.directory, sizeof s.directory, "/tmp/keyfile-XXXXXX");
    assert_non_null(mkdtemp(s.directory));
    snprintf(s.path, sizeof s.path, "%s/key", s.directory);
    *state = &s;
    return 0;
}

static int story_teardown(void **state)
{
    struct story *s = *state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", s->directory);
    return system(command);
}

static void given_file(const struct story *s, const void *text, size_t size, mode_t mode)
{
    unlink(s->path);
    int fd = open(s->path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, text, size), size);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static int read_text(struct story *s, const char *text)
{
    given_file(s, text, strlen(text), 0600);
    return keyfile_read(s->path, s->key);
}

static void a_written_key_is_read_back(void **state)
{
    struct story *s = *state;
    uint8_t key[KEYFILE_KEY_BYTES];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(i * 9 + 1);
    assert_int_equal(keyfile_write(s->path, key), 0);
    assert_int_equal(keyfile_read(s->path, s->key), 0);
    assert_memory_equal(s->key, key, sizeof key);
    struct stat status;
    assert_int_equal(stat(s->path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(status.st_size, 65);
}

static void an_existing_key_is_never_replaced(void **state)
{
    struct story *s = *state;
    assert_int_equal(read_text(s, DIGITS), 0);
    uint8_t other[KEYFILE_KEY_BYTES] = {1};
    assert_int_equal(keyfile_write(s->path, other), -EEXIST);
    uint8_t got[KEYFILE_KEY_BYTES];
    assert_int_equal(keyfile_read(s->path, got), 0);
    assert_memory_equal(got, s->key, sizeof got);
}

static void the_newline_is_optional_and_the_case_free(void **state)
{
    struct story *s = *state;
    assert_int_equal(read_text(s, DIGITS), 0);
    assert_int_equal(s->key[1], 0x11);
    assert_int_equal(read_text(s, DIGITS "\n"), 0);
    assert_int_equal(read_text(s, "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff"), 0);
    assert_int_equal(s->key[10], 0xaa);
}

static void anything_else_is_malformed_and_writes_nothing(void **state)
{
    struct story *s = *state;
    static const char *const texts[] = {
        "",
        "\n",
        "0011",
        DIGITS "\n\n",
        DIGITS "0",
        DIGITS "00\n",
        DIGITS " ",
        DIGITS "\r\n",
        " 0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        "g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
        "0x112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
    };
    const uint8_t untouched[KEYFILE_KEY_BYTES] = {0};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(read_text(s, texts[i]), ERR_MALFORMED);
    given_file(s, DIGITS, 64, 0600);
    int fd = open(s->path, O_WRONLY);
    assert_int_equal(pwrite(fd, "\0", 1, 40), 1); /* a zero byte inside */
    close(fd);
    assert_int_equal(keyfile_read(s->path, s->key), ERR_MALFORMED);
    assert_memory_equal(s->key, untouched, sizeof untouched);
}

static void a_key_others_may_touch_is_refused(void **state)
{
    struct story *s = *state;
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610, 0601, 0644, 0777};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        given_file(s, DIGITS, 64, modes[i]);
        assert_int_equal(keyfile_read(s->path, s->key), ERR_PERMISSIONS);
    }
    given_file(s, DIGITS, 64, 0400);
    assert_int_equal(keyfile_read(s->path, s->key), 0);
}

static void a_key_of_someone_else_is_refused(void **state)
{
    struct story *s = *state;
    if (geteuid() != 0)
        skip(); /* only root can give a file away */
    given_file(s, DIGITS, 64, 0600);
    assert_int_equal(chown(s->path, 65534, 65534), 0);
    assert_int_equal(keyfile_read(s->path, s->key), ERR_PERMISSIONS);
}

static void only_a_plain_file_is_a_key(void **state)
{
    struct story *s = *state;
    assert_int_equal(keyfile_read(s->path, s->key), -ENOENT);
    assert_int_equal(mkfifo(s->path, 0600), 0);
    assert_int_equal(keyfile_read(s->path, s->key), ERR_MALFORMED); /* and does not wait */
    unlink(s->path);
    assert_int_equal(mkdir(s->path, 0700), 0);
    assert_int_equal(keyfile_read(s->path, s->key), ERR_MALFORMED);
    rmdir(s->path);
    assert_int_equal(symlink("/dev/null", s->path), 0);
    assert_int_equal(keyfile_read(s->path, s->key), -ELOOP);
    assert_int_equal(keyfile_write(s->path, s->key), -EEXIST);
}

static void a_missing_directory_is_told(void **state)
{
    struct story *s = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/none/key", s->directory);
    assert_int_equal(keyfile_write(path, s->key), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define STORY(name) cmocka_unit_test_setup_teardown(name, story_setup, story_teardown)
        STORY(a_written_key_is_read_back),
        STORY(an_existing_key_is_never_replaced),
        STORY(the_newline_is_optional_and_the_case_free),
        STORY(anything_else_is_malformed_and_writes_nothing),
        STORY(a_key_others_may_touch_is_refused),
        STORY(a_key_of_someone_else_is_refused),
        STORY(only_a_plain_file_is_a_key),
        STORY(a_missing_directory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
