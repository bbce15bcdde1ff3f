/**
 * bytes of plaintext in one object. With the number of workers it decides how much memory a run takes. Another number would cut rows
 * elsewhere, and an incremental backup that reads again what an older version has stored would take that for a difference.
 */
export const objectSize = 32 * 1024 * 1024;

/**
 * bytes of a stored object at most: what zstd and age add to text that cannot be compressed, age for each 64 KiB and each recipient. What is
 * larger was not stored by a backup, and is not read.
 */
export const storedSize = objectSize + 2 * 1024 * 1024;
