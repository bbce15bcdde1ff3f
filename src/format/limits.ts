/**
 * Bytes of plaintext per object. Together with the number of workers it determines the memory of a run.
 * Another size would split rows at other places, and an incremental backup that reads again what an older
 * version stored would take that for a difference.
 */
export const objectSize = 32 * 1024 * 1024;

/**
 * The most bytes of a stored object: what zstd and age add to text that does not compress, age for each 64
 * KiB and each recipient. A larger object was not stored by a backup and is not read.
 */
export const storedSize = objectSize + 2 * 1024 * 1024;
