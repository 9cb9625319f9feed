;;; What certkeep.scm uses of Guix's (guix records), for tests: fields with
;;; defaults, and inheritance.

(define-module (guix records)
  #:use-module (srfi srfi-1)
  #:export (define-record-type* build-record))

(define (build-record type defaults base given)
  (let ((fields (record-type-fields type)))
    (for-each (lambda (entry)
                (unless (memq (car entry) fields)
                  (error "extraneous field initializer" (car entry))))
              given)
    (apply (record-constructor type)
           (map (lambda (field)
                  (cond ((assq field given) => (lambda (entry) ((cdr entry))))
                        (base ((record-accessor type field) base))
                        (else (or (assq-ref defaults field) (error "missing field initializer" field))
                              ((assq-ref defaults field)))))
                fields))))

(define-syntax default-thunk
  (syntax-rules (default)
    ((_) #f)
    ((_ (default value)) (lambda () value))))

(define-syntax define-record-type*
  (syntax-rules ()
    ((_ type constructor make predicate (field accessor option ...) ...)
     (begin
       (define type (make-record-type 'type '(field ...)))
       (define make (record-constructor type))
       (define predicate (record-predicate type))
       (define accessor (record-accessor type 'field)) ...
       (define-syntax constructor
         (syntax-rules (inherit)
           ((_ (inherit base) (name value) (... ...))
            (build-record type (list (cons 'field (default-thunk option ...)) ...) base
                          (list (cons 'name (lambda () value)) (... ...))))
           ((_ (name value) (... ...))
            (build-record type (list (cons 'field (default-thunk option ...)) ...) #f
                          (list (cons 'name (lambda () value)) (... ...))))))))))
