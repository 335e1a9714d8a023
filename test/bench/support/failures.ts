// The two ways in which a measurement ends without figures.

/** It cannot be run as asked, or not in this build: exit status 2. */
export class BenchRefused extends Error {}

/** The books are not what the client sent: no figure counts. Exit status 1. */
export class BooksWrong extends Error {}
