;;; What the Shepherd runs of Certkeep. PROGRAM is the path of the program, or what
;;; becomes it; NEEDS names the services that are there before.

(define-module (certkeep shepherd)
  #:use-module (gnu services shepherd)
  #:use-module (guix gexp)
  #:export (%pid-file daemon timer boot))

;; Where Certkeep looks for its configuration, and leaves its number.
(define %installed-file "/etc/certkeep/certkeep.json")
(define %pid-file "/var/run/certkeep.pid")

;; Hooks find the system's programs, and the CA is trusted by the system's roots.
(define %environment
  '("PATH=/run/current-system/profile/bin:/run/current-system/profile/sbin"
    "SSL_CERT_DIR=/etc/ssl/certs"))

(define (signal-action verb what signal)
  (shepherd-action
   (name verb)
   (documentation what)
   (procedure #~(lambda (running . _)
                  (kill (call-with-input-file #$%pid-file read) #$signal)))))

(define (daemon program needs)
  (shepherd-service
   (provision '(certkeep))
   (requirement needs)
   (documentation "Keep TLS certificates alive.")
   (start #~(make-forkexec-constructor
             (list #$program "--config" #$%installed-file "run")
             #:environment-variables '#$%environment
             #:log-file "/var/log/certkeep.log"))
   (stop #~(make-kill-destructor))
   (actions (list (signal-action 'reload "Take a changed configuration over." #~SIGHUP)
                  (signal-action 'trigger "Look now what is due." #~SIGALRM)))))

(define (timer program needs)
  (shepherd-service
   (provision '(certkeep-renewal))
   (requirement needs)
   (modules '((shepherd service timer)))
   (documentation "Look twice a day, at a random time within an hour, what is due.")
   (start #~(make-timer-constructor
             (calendar-event #:hours '(0 12) #:minutes '(0))
             (command (list #$program "--config" #$%installed-file "-q" "apply" "--wait-random" "0s-1h")
                      #:environment-variables '#$%environment)
             #:wait-for-termination? #t))
   (stop #~(make-timer-destructor))
   (actions (list shepherd-trigger-action))))

(define (pass program)
  "Return a program that does what is due, in the environment of the timer's."
  (program-file
   "certkeep-pass"
   #~(begin
       (for-each putenv '#$%environment)
       (execl #$program #$program "--config" #$%installed-file "-q" "apply"))))

(define (boot program needs)
  (shepherd-service
   (provision '(certkeep-boot))
   (requirement needs)
   (one-shot? #t)
   (documentation "Look at boot what is due: placeholders do not wait for the timer.")
   (start #~(lambda _
              ;; Nothing tells when the network is up. A pass after one that
              ;; failed does nothing before a minute is over.
              (let loop ((left 12))
                (let ((code (status:exit-val (system* #$(pass program)))))
                  (cond ((eqv? code 0) #t)
                        ((and (memv code '(4 5)) (> left 0)) (sleep 10) (loop (- left 1)))
                        (else #f))))))))
