// Which commit the library was built from.
#ifndef SHT_BASE_COMMIT_H
#define SHT_BASE_COMMIT_H

// Its 40 digits, with "-dirty" behind them where tracked files differ from it; "": built outside the repository. In a
// file that the build writes anew when that changes (scripts/commit.cmake).
extern const char sht__commit[];

#endif
