/* dirsync.h - a new or renamed file is on disk only when its directory is.
 *
 * Not pure: files. Threads: no state.
 */
#pragma once

#include "common/base/attr.h"

/* Sync a directory. Returns 0 or -errno. */
MUST_USE int dirsync(const char *directory);

/* Sync the directory that a path's last part is in. Returns 0, -ENAMETOOLONG or -errno. */
MUST_USE int dirsync_of(const char *path);
