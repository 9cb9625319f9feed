;;; What certkeep.scm uses of Guix's (guix gexp), for tests: files are written
;;; into the folder that the environment variable STUB_STORE names.

(define-module (guix gexp)
  #:use-module (ice-9 match)
  #:use-module (srfi srfi-1)
  #:use-module (srfi srfi-9)
  #:export (make-gexp gexp? gexp-form lower lower-form
            with-imported-modules plain-file mixed-text-file program-file computed-file output file-append))

(define-record-type <gexp> (make-gexp form) gexp? (form gexp-form))
(define-record-type <file> (make-file name write) file? (name file-name) (write file-write))
(define-record-type <computed> (make-computed name gexp) computed? (name computed-name) (gexp computed-gexp))
(define-record-type <within> (make-within base suffix) within? (base within-base) (suffix within-suffix))

;; #~ is a quasiquotation, in which #$ and #$@ leave a hole.
(define (reader wrap)
  (lambda (char port) (wrap (read port))))
(read-hash-extend #\~ (reader (lambda (form) (list '(@ (guix gexp) make-gexp) (list 'quasiquote form)))))
(read-hash-extend #\$ (lambda (char port)
                        (if (eqv? (peek-char port) #\@)
                            (begin (read-char port) (list 'unquote-splicing (read port)))
                            (list 'unquote (read port)))))

(define-syntax with-imported-modules
  (syntax-rules () ((_ modules body) body)))

(define (mixed-text-file name . parts)
  (make-file name (lambda (port) (for-each (lambda (part) (display (if (string? part) part (lower part)) port)) parts))))
(define (plain-file name text) (mixed-text-file name text))
(define (file-append base . suffix) (make-within base (string-concatenate suffix)))

(define (program-file name gexp)
  (make-file name (lambda (port)
                    (display "#!/usr/bin/guile --no-auto-compile\n!#\n" port)
                    (write (lower-form gexp) port))))

(define (computed-file name gexp) (make-computed name gexp))
(define output (make-gexp '(getenv "out")))

(define (build computed)
  "Make what COMPUTED describes, by a process of its own, and return its path."
  (let ((path (string-append (getenv "STUB_STORE") "/" (computed-name computed)))
        (builder (lower (program-file (string-append (computed-name computed) "-builder") (computed-gexp computed)))))
    (setenv "out" path)
    (unless (zero? (status:exit-val (system* "guile" "--no-auto-compile" builder)))
      (error "the builder failed:" builder))
    path))

(define (lower-form form)
  "Return FORM with paths in place of files, and forms in place of gexps."
  (cond ((gexp? form) (lower-form (gexp-form form)))
        ((pair? form) (cons (lower-form (car form)) (lower-form (cdr form))))
        ((or (file? form) (within? form) (computed? form)) (lower form))
        (else form)))

(define (lower file)
  "Write FILE and return its path."
  (match file
    ((? string? path) path)
    ((? computed?) (build file))
    ((? within?) (string-append (lower (within-base file)) (within-suffix file)))
    ((? file?)
     (let ((path (string-append (getenv "STUB_STORE") "/" (file-name file))))
       (call-with-output-file path (file-write file))
       (chmod path #o555)
       path))))
