/* keys.c - `cybermeshctl keys`: make a key file, show the public keys of one. */
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "common/base/err.h"
#include "common/base/hex.h"
#include "common/edge/bus.h"
#include "common/edge/keyfile.h"
#include "services/cybermeshctl/ctl.h"

static int show(const char *path, bool json)
{
    uint8_t secret[KEYFILE_KEY_BYTES];
    int rc = keyfile_read(path, secret);
    if (rc < 0)
        return ctl_fail(CTL_USAGE, "%s: %s (wants 64 hex digits, mode 0600)", path, err_text(rc));
    struct sign_key key;
    sign_key_from_seed(&key, secret);
    uint8_t curve[32];
    bus_curve_public(curve, secret);
    struct hash id = sign_public_id(&key.public);
    char sign_hex[65], curve_hex[65], id_hex[65];
    hex_encode(sign_hex, key.public.bytes, sizeof key.public.bytes);
    hex_encode(curve_hex, curve, sizeof curve);
    hex_encode(id_hex, id.bytes, sizeof id.bytes);
    sign_key_wipe(&key);
    sodium_memzero(secret, sizeof secret);
    if (json)
        return ctl_print_json_take(
            json_pack("{s:s, s:s, s:s}", "ed25519", sign_hex, "curve", curve_hex, "validator_id", id_hex));
    printf("ed25519       %s\ncurve         %s\nvalidator id  %s\n", sign_hex, curve_hex, id_hex);
    return CTL_OK;
}

static int make(const char *path, bool json)
{
    uint8_t secret[KEYFILE_KEY_BYTES];
    randombytes_buf(secret, sizeof secret);
    int rc = keyfile_write(path, secret);
    sodium_memzero(secret, sizeof secret);
    if (rc < 0)
        return ctl_fail(CTL_USAGE, "%s: %s", path, err_text(rc));
    return show(path, json);
}

static int run(int argc, char *argv[])
{
    bool json = false;
    const char *words[2] = {NULL, NULL};
    size_t count = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-o") == 0 && i + 1 < argc) {
            int rc = ctl_output(&json, argv[++i]);
            if (rc != CTL_OK)
                return rc;
        } else if (argv[i][0] != '-' && count < 2) {
            words[count++] = argv[i];
        } else {
            return ctl_fail(CTL_USAGE, "keys: '%s' is not understood; see cybermeshctl keys --help", argv[i]);
        }
    }
    if (count == 2 && strcmp(words[0], "new") == 0)
        return make(words[1], json);
    if (count == 2 && strcmp(words[0], "show") == 0)
        return show(words[1], json);
    return ctl_fail(CTL_USAGE, "keys: wants `new FILE` or `show FILE`");
}

const struct ctl_verb ctl_keys = {
    .name = "keys",
    .summary = "make a key file, show its public keys",
    .help =
        "usage: cybermeshctl keys new FILE [-o json]\n"
        "       cybermeshctl keys show FILE [-o json]\n\n"
        "A key file holds 32 secret bytes as 64 hex digits, mode 0600: the seed of an Ed25519 key, or a CURVE secret\n"
        "key. `new` makes one and never replaces a file; both print the public keys that belong to it.\n",
    .run = run,
};
