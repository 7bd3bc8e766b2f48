# Writes version.h with the state of the source tree at build time; touches it only when it changed.
execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=*
                OUTPUT_VARIABLE BITWRIGHT_GIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
                RESULT_VARIABLE failed)
if(failed OR NOT BITWRIGHT_GIT)
  set(BITWRIGHT_GIT "unknown")
endif()
configure_file(${SOURCE}/framework/experiment/version.h.in ${TARGET} @ONLY)
