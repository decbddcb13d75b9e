/* keyfile.h - secret keys in files: 64 hex digits and an optional newline, closed to everyone but the owner.
 *
 * Not pure: files. Threads: no state.
 * Ownership: keys are the caller's, who wipes them (sodium_memzero) after use; copies made here are wiped.
 */
#pragma once

#include <stdint.h>

#include "common/base/attr.h"

enum { KEYFILE_KEY_BYTES = 32 };

/* Read a key. The file must be a regular one (not a link), owned by us or root, with no permission for group or others.
 * *out is written only on success. Returns 0; -ENOENT, -EACCES, -ELOOP (a link), ...; ERR_PERMISSIONS (mode or owner);
 * ERR_MALFORMED (not a regular file, or not 64 hex digits). The caller logs: nothing is logged here. */
MUST_USE int keyfile_read(const char *path, uint8_t out[static KEYFILE_KEY_BYTES]);

/* Create the file with mode 0600 and write the key, synced to disk with its directory. An existing file is never
 * replaced. Returns 0, -EEXIST or another -errno; after a failed write nothing is left behind. */
MUST_USE int keyfile_write(const char *path, const uint8_t key[static KEYFILE_KEY_BYTES]);
