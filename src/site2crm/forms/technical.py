"""Names that builders, plug-ins and ad networks use for their own business. Tables only.

Keys are compact: lower case, letters and digits (`_wpcf7_unit_tag` -> `wpcf7unittag`).
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# A filled honeypot means a bot; `b_<list>_<id>` (Mailchimp) and Fluent's are matched by shape in labels.py.
HONEYPOTS = _words(
    """
    gotcha botfield honey honeypot hp hpfield formhp wpformshp botcheck akhptextarea wpcf7akhptextarea urlhp
    hpurl websitehp hpwebsite hpemail emailhp s2chp s2cwebsite honeypotfield mauticformmessenger0
    contactmehoneypot leaveblank leavethisempty leavethisblank donotfill donotfillthis
    """
)

ATTRIBUTION = {
    name: target
    for target, names in {
        "utm_source": "utmsource",
        "utm_medium": "utmmedium",
        "utm_campaign": "utmcampaign utmcampaignname",
        "utm_term": "utmterm utmkeyword",
        "utm_content": "utmcontent",
        "utm_id": "utmid",
        "gclid": "gclid gclidfield gclidvalue googleclickid",
        "gbraid": "gbraid",
        "wbraid": "wbraid",
        "fbclid": "fbclid",
        "fbc": "fbc",
        "fbp": "fbp",
        "msclkid": "msclkid",
        "ttclid": "ttclid",
        "li_fat_id": "lifatid",
        "twclid": "twclid",
        "hutk": "hutk hubspotutk",
        "page_url": """pageurl pageuri pagelink sourceurl currenturl currentpage currentpageurl submissionurl
            submittedfrom
            submittedfromurl formurl pagelocation locationhref embedurl embeddedurl originurl requesturl
            submissionpage pageaddress parenturl contextpageurl contextpageuri wpcf7pageurl""",
        "landing_url": """landingurl landingpage landingpageurl entryurl entrypage firstpage firstpageurl
            landinguri initialpage""",
        "referrer": """referrer referer httpreferer httpreferrer referrerurl refererurl documentreferrer refererpage
            referringurl refurl initialreferrer""",
        "ad_id": "adid",
        "adset_id": "adsetid",
        "adgroup_id": "adgroupid",
        "campaign_id": "campaignid",
        "creative_id": "creativeid",
        "asset_group_id": "assetgroupid",
        "campaign_name": "campaignname",
        "ad_name": "adname",
        "adset_name": "adsetname",
        "lead_source": "leadsource",
    }.items()
    for name in names.split()
}

IP = _words(
    """
    ip ipaddress remoteip clientip visitorip userip ipaddr submitterip remoteaddr senderip hsipaddress
    """
)

REDIRECT = _words(
    """
    next returl returnurl redirect redirectto redirecturl successurl thankyouurl thankspage redirectafter
    thankyoupage formreturnurl mauticformreturn
    """
)

# Nothing a person answered. The raw body is kept elsewhere, so these only clutter the lead.
NOISE = _words(
    """
    submit submitted submitbutton btnsubmit utf8 authenticitytoken csrf csrftoken csrfmiddlewaretoken
    csrfname csrfvalue formtoken requestverificationtoken nonce wpnonce wphttpreferer viewstate
    eventvalidation viewstategenerator grecaptcharesponse recaptcharesponse recaptcha recaptchatoken
    hcaptcharesponse cfturnstileresponse turnstile captcha captcharesponse captchatoken frccaptchasolution
    altcha wpcf7recaptcharesponse wpcf7 wpcf7version wpcf7locale wpcf7unittag wpcf7containerpost
    wpcf7posteddatahash charset formname formid formids formtitle formkey formhash formversion formelementid
    formuid formuuid formtype id postid queriedid referertitle siteid portalid pageid sitename useragent
    createdat createdon createdtime datecreated dateupdated submittedat submittedon submissiondate
    submissiontime submitteddate submittime leadsubmittime landedat occurredat timestamp isstarred isread
    isfulfilled createdby paymentstatus paymentdate paymentamount paymentmethod transactionid
    transactiontype isajax gformsubmit gformuniqueid gformtargetpagenumber gformsourcepagenumber
    gformfieldvalues gformajax issubmit wpformsid wpformsauthor wpformspostid wpformssubmit wpformstoken
    wpformsnonce wpformspagetitle webhookurl rawrequest datajson dataxml jsexecutiontracker submitsource
    submitdate builddate uploadserverurl eventobserver appid fromtable path slug slugsubmit googlekey
    handshakekey accesskey apikey apiversion eventtype eventid triggertype webhookid subscriptionid
    subscriptiontypeid objecttypeid skipvalidation responseid submissionid respondentid leadid entryid
    leadgenid visitorid sessionid requestid istest oid orgid recordtype xnqsjsdp xmiwtld zcgad actiontype
    autoresponse blacklist captchasetting fluentformembdedpostid fluentformembedpostid formbuilderid
    etpbcontactformsubmit0 etpbcontactemailfields0 etpbcontactemailhiddenfields0 serviceid templateid userid
    accountid poweredby mauticformformid mauticformformname mauticformmessenger munchkinid formvid
    fluentformnonce elementoraction formelementorid surveyid responsetype sitekey schemaversion locationid
    eventversion gwaveformid contenttype formsubmissionid workspaceid teamid mktoformid actionurl
    honeypotname formnamehidden tenantid
    """
)
# The same words are answers when a visitor was asked them, and clutter in an envelope or after an underscore.
NOISE_OUTSIDE = _words(
    """
    action token secret send language locale format cc template event status created updated currency
    browser finished type version session webhook credit slug number date time mode author source body title
    summary test
    """
)
NOISE_OF = {
    "gravityforms": _words("currency status poststatus isspam sourceid"),
    "jotform": _words(
        """
    action username type event fromtable path pretty parent customparams customtitle custombody
    """
    ),
    "elementor": _words("date time action"),
    "salesforce": _words("encoding debug debugemail"),
    "google_forms": _words("values range"),
    "netlify": _words("number title summary body"),
    "opnform": _words("message"),
}
NOISE_STARTS = (
    "_wpcf7",
    "_wp",
    "gform_",
    "is_submit_",
    "state_",
    "ak_",
    "apbct",
    "ct_no_cookie",
    "et_pb_contactform",
    "_fluentform_",
    "_elementor",
    "frm_",
    "__cf",
)

# Dicts that hold the answers: what stands beside them is the builder's envelope.
BOXES = _words(
    """
    data fields formfields formdata answers fielddata usercolumndata payload formresponse humanfields
    orderedhumanfields questionsandanswers responses submission entry rawrequest namedvalues fieldvalues
    inputs itemmeta submissiondata formsubmission templateparams merges items elements values questions
    results formvalues submissions fieldsdata forminputs pages body response record datajson
    """
)
# Dicts that stand for the person: their name adds nothing to the labels inside.
PEOPLE = _words(
    """
    contact lead person customer client visitor user respondent invitee applicant attendee guest subscriber
    member profile billing sender from attributes properties formvalues wpforms mauticform item custom
    customfields personal personaldata personalinfo contactinfo contactdetails contactdata names details
    info input object result eventdata general content main text traits
    """
)
HIDDEN = _words(
    """
    hidden hiddenfields variables urlparams queryparams query params urlparameters
    """
)
META = _words(
    """
    meta metadata context tracking utm utms attribution analytics source browserinfo device request headers
    submissionmeta geo location clientinfo environment calculated integration system
    """
)
FORMISH = _words(
    """
    form page site survey quiz definition webhook workspace team account owner agent assignedto ad adset
    campaign event eventtype scheduledevent project template organizer host
    """
)
# Descriptions of the questions, not answers.
SKIPPED = _words("definition schema fieldstructure formstructure fieldschema formschema")
