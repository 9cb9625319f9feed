;;; Compiles certkeep.scm and what belongs to it, which names what is unbound, called
;;; with a wrong number of arguments, or a variable never used: guile -L stubs -L ..
;;; compile.scm

(use-modules (system base compile) (guix gexp))

(for-each (lambda (file)
            (compile-file file
                          #:output-file (string-append (getenv "STUB_STORE") "/" (basename file) ".go")
                          #:opts '(#:warnings (unbound-variable macro-use-before-definition arity-mismatch duplicate-case-datum
                                               bad-case-datum format unused-variable shadowed-toplevel))))
          '("certkeep.scm" "certkeep/json.scm" "certkeep/shepherd.scm"))
