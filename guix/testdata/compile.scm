;;; Compiles certkeep.scm, which names what is unbound, called with a wrong
;;; number of arguments, or a variable never used: guile -L stubs -L .. compile.scm

(use-modules (system base compile) (guix gexp))

(compile-file "certkeep.scm"
              #:output-file (string-append (getenv "STUB_STORE") "/certkeep.go")
              #:opts '(#:warnings (unbound-variable macro-use-before-definition arity-mismatch duplicate-case-datum
                                   bad-case-datum format unused-variable shadowed-toplevel)))
